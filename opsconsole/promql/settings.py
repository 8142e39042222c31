"""What the query language can be told."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from opsconsole.settings import Duration, Size
from opsconsole.settings import Settings as Base


class Limits(Base):
    """What queries may cost: each its time and samples, all together their memory, and how many compute at once."""

    timeout: Duration = Field(default=timedelta(minutes=2), ge=timedelta(milliseconds=1))
    max_samples: int = Field(default=50_000_000, ge=1)
    max_memory: Size = Field(default=2**30, ge=2**20)
    max_concurrent: int = Field(default=4, ge=1)


class Settings(Limits):
    """`compat` 2 gives Prometheus 2's windows, closed on the left; 3 is the default, left-open.

    With `delayed_name_removal`, a feature flag of Prometheus 3, names that operations drop go when the answer is made;
    mode 2 drops them at once.
    """

    compat: Literal[2, 3] = 3
    delayed_name_removal: bool = True
    lookback: Duration = timedelta(minutes=5)
    subquery_step: Duration = timedelta(seconds=15)
    max_steps: int = Field(default=11_000, ge=1)
