"""What people read when a command cannot do what was asked."""

from collections.abc import Iterator

from opsconsole.model import ConfigError, OpsConsoleError


def complaints(error: BaseException) -> list[str]:
    """A line for each thing that is wrong, and none for an error that is a defect of our own."""
    return [line for one in _told(error) for line in (one.problems if isinstance(one, ConfigError) else [str(one)])]


def _told(error: BaseException) -> Iterator[OpsConsoleError]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _told(one)
    elif isinstance(error, OpsConsoleError):
        yield error
