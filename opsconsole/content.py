"""Finding the content folders (`dashboards/`, `alert_rules/`, `canary_dags/`, `docs/runbooks/`) that ship with the console.

They stand at the top of a checkout, where people edit them, and inside the package of an installed wheel.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The packaged folder `name`. Raises FileNotFoundError where the installation is broken."""
    for root in (_PACKAGE / "_content", _PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"the packaged folder {name!r} is missing: install opsconsole again")
