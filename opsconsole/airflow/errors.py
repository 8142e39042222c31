"""What can go wrong between the console and an Airflow."""

from opsconsole.model import CollectError

_AGAIN = frozenset({408, 425, 429})


class Refused(CollectError):
    """An answer whose status says no; `status` tells which no."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, retryable=status >= 500 or status in _AGAIN)
        self.status = status


class NotAirflow(CollectError):
    """An answer that no Airflow API gives: HTML, a redirect, text that is no JSON."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Unreachable(CollectError):
    """No answer at all; `dropped` where a connection broke before an answer, so that asking once more at once is worth it."""

    def __init__(self, message: str, *, retryable: bool = True, dropped: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.dropped = dropped
