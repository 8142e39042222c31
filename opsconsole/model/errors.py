"""The console's named errors that no single noun owns."""


class OpsConsoleError(Exception):
    """Something a person can mend; its text is one line that names the thing and the mend."""


class ConfigError(OpsConsoleError):
    """A configuration that cannot be used; `problems` are `file:line: message` lines."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CollectError(OpsConsoleError):
    """A collection that failed; `retryable` says whether trying again can help."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable
