"""What can be set about the metrics store."""

from datetime import timedelta

from pydantic import Field

from opsconsole import settings
from opsconsole.settings import Duration, Size


class Settings(settings.Settings):
    """`retention`: how long samples are kept. `max_series_per_deployment`: series alive at once, 0 for no limit.

    `max_deployments`: different values of `deployment` that series in memory may have; `known_deployments` always may.
    `retention_size`: bytes of sealed samples to keep, the oldest go first; 0 for no limit.
    `max_pending_samples`: how many samples wait in memory while the database cannot be written; more are refused.
    """

    retention: Duration = Field(default=timedelta(days=30), ge=timedelta(hours=1))
    retention_size: Size = Field(default=0, ge=0)
    max_series_per_deployment: int = Field(default=250_000, ge=0)
    max_deployments: int = Field(default=1000, ge=1)
    known_deployments: frozenset[str] = frozenset()
    max_pending_samples: int = Field(default=2_000_000, ge=1000)
