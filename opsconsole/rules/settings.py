"""What the `rules` section of the configuration says."""

from datetime import timedelta

from pydantic import Field

from opsconsole.settings import Duration, Settings


class RuleSettings(Settings):
    """`files` are names, folders or globs beside the configuration file, or `packaged`; absent: the packaged rules."""

    files: tuple[str, ...] | None = None
    evaluation_interval: Duration = Field(default=timedelta(seconds=15), gt=timedelta(0))
