"""What may be set about failures."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from opsconsole.settings import Duration
from opsconsole.settings import Settings as Base


class Settings(Base):
    """A failure that nothing mends ends after `keep`. A new one waits at most `grace` for its last log line to be read.

    A run with more than `fold_above` failed tasks is one finding.
    """

    severity: Literal["info", "warning", "high", "critical"] = "high"
    keep: Duration = timedelta(hours=24)
    grace: Duration = timedelta(seconds=10)
    fold_above: int = Field(10, ge=1)
