"""The first steps of a runbook, so that a message says what to do and not only where it is written."""

import re
from pathlib import Path

_HEADING = re.compile(r"^##\s+first steps\s*$", re.IGNORECASE)
_STEP = re.compile(r"^\s{0,3}\d+[.)]\s+(.*)")
_CODE_BLOCK = re.compile(r"^\s*```")
_BULLET = re.compile(r"^\s*[*-]\s+")
_LINK = re.compile(r"\[([^\]]+)\]\([^)\s]+\)")
MOST_STEPS = 3
MOST_BYTES = 100_000


class Runbooks:
    """Reads runbooks below one folder, each once."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is the one that relative addresses name `docs/runbooks`; None knows no runbook."""
        self._folder = folder.resolve() if folder else None
        self._known: dict[str, tuple[str, ...]] = {}

    def steps(self, runbook_url: str) -> tuple[str, ...]:
        """The first steps of a runbook of ours; none for an address elsewhere."""
        if runbook_url not in self._known:
            self._known[runbook_url] = self._read(runbook_url)
        return self._known[runbook_url]

    def _read(self, runbook_url: str) -> tuple[str, ...]:
        if self._folder is None or "://" in runbook_url or not runbook_url.endswith(".md"):
            return ()
        path = (self._folder / Path(runbook_url).name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return ()
        with path.open(encoding="utf-8", errors="replace") as file:
            return first_steps(file.read(MOST_BYTES))


def first_steps(text: str) -> tuple[str, ...]:
    """The numbered items below `## First steps`, each in one line, code kept in backquotes; lists within become `•`."""
    steps: list[str] = []
    inside = fenced = False
    for line in text.splitlines():
        if line.startswith("#") and not fenced:
            inside = _HEADING.match(line) is not None
            continue
        if not inside:
            continue
        if _CODE_BLOCK.match(line):
            fenced = not fenced
        elif (item := _STEP.match(line)) and not fenced:
            steps.append(_plain(item[1]))
        elif steps and line.strip():
            steps[-1] += f" `{line.strip()}`" if fenced else f" {_plain(line)}"
    return tuple(steps[:MOST_STEPS])


def _plain(line: str) -> str:
    """A line of a step as every far end can show it: bullets by their sign, links by their words."""
    return _LINK.sub(r"\1", _BULLET.sub("• ", line)).strip()
