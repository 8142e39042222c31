"""What the query language can be told."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from opsconsole.settings import Duration
from opsconsole.settings import Settings as Base


class Settings(Base):
    """`compat` 2 gives Prometheus 2's windows, closed on the left; 3 is the default, left-open.

    With `delayed_name_removal`, a feature flag of Prometheus 3, names that operations drop go when the answer is made.
    """

    compat: Literal[2, 3] = 3
    delayed_name_removal: bool = False
    lookback: Duration = timedelta(minutes=5)
    subquery_step: Duration = timedelta(seconds=15)
    timeout: Duration = timedelta(minutes=2)
    max_samples: int = Field(default=50_000_000, ge=1)
    max_steps: int = Field(default=11_000, ge=1)
