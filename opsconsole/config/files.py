"""The files that a configuration names: where they are, and the packaged ones."""

from pathlib import Path

import sqlalchemy as sa

from opsconsole import content
from opsconsole.config.sections import Config
from opsconsole.documents import Document, Place
from opsconsole.model import ConfigError

PACKAGED = "packaged"
"""Stands, in a list of files, for those that ship with the console."""

_ENDINGS = {"alert_rules": (".yaml", ".yml"), "dashboards": (".yaml", ".yml", ".json")}
"""Of the files that a folder stands for, by what they are."""


def rule_files(config: Config, folder: Path, document: Document, problems: list[str]) -> list[Path]:
    return _named_files(config.rules.files, "alert_rules", folder, document, ("rules", "files"), problems)


def dashboard_files(config: Config, folder: Path, document: Document, problems: list[str]) -> list[Path]:
    return _named_files(config.dashboards.paths, "dashboards", folder, document, ("dashboards", "paths"), problems)


def _named_files(
    entries: tuple[str, ...] | None, shipped: str, folder: Path, document: Document, place: Place, problems: list[str]
) -> list[Path]:
    """Each file once; a plain name that is not there is a problem, a glob or a folder without a file is a note."""
    files: dict[Path, Path] = {}
    for index, entry in enumerate((PACKAGED,) if entries is None else entries):
        found = files_of(entry, shipped, folder)
        if not found and not any(mark in entry for mark in "*?[") and not (folder / entry).is_dir():
            problems.append(document.problem((*place, index), f"{folder / entry} is not there"))
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def files_of(entry: str, shipped: str, folder: Path) -> list[Path]:
    """The files that a name, a folder, a glob or `packaged` stands for."""
    path = content.folder(shipped) if entry == PACKAGED else folder / entry
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in _ENDINGS[shipped])
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def database_url(text: str, folder: Path, document: Document) -> str:
    place: Place = ("storage", "url")
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise ConfigError(
            [document.problem(place, "storage.url is not a database URL: write sqlite:///opsconsole.db")]
        ) from error
    if url.get_backend_name() == "postgresql":
        return str(url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False))
    if url.get_backend_name() != "sqlite" or not url.database:
        message = (
            f"storage.url cannot be {url.get_backend_name()}: write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DB"
        )
        raise ConfigError([document.problem(place, message)])
    return f"sqlite:///{folder / url.database}"
