"""What one query may cost: samples held and time taken."""

from opsconsole.clock import Clock
from opsconsole.model import QueryError


class Budget:
    """Counted against while a query runs; raises QueryError when it is spent, or when somebody called `cancel`."""

    def __init__(self, clock: Clock, max_samples: int, seconds: float) -> None:
        self._clock, self._max_samples = clock, max_samples
        self._deadline = clock.monotonic() + seconds
        self._cancelled = False
        self.loaded = 0

    def load(self, samples: int) -> None:
        """Samples that stay in memory until the query ends."""
        self.loaded += samples
        self.hold(0)

    def hold(self, samples: int) -> None:
        """An intermediate result of so many samples is about to be made."""
        if self.loaded + samples > self._max_samples:
            raise QueryError("query processing would load too many samples into memory in query execution")
        self.check()

    def check(self) -> None:
        if self._cancelled:
            raise QueryError("query was canceled in expression evaluation", "canceled")
        if self._clock.monotonic() > self._deadline:
            raise QueryError("query timed out in expression evaluation", "timeout")

    def cancel(self) -> None:
        self._cancelled = True
