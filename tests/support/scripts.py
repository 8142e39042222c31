"""Questions in PromQL with their answers, one a line, in files of series and times.

    series every 1m
      requests_total{job="api"} 0+60x10
    at 5m
      rate(requests_total[5m]) => {job="api"} 1
      quantile(2, requests_total) => {} +Inf ! warning: quantile value should be between 0 and 1, got 2 (1:10)
      requests_total + => error: unexpected end of input
    over 0..2m by 1m
      requests_total => requests_total{job="api"} 0 60 120

Answers part with `;`, steps without a value are `_`, an empty answer is `nothing`. An `ordered` answer has to come in that order.
`names late` asks the rest of the file with delayed name removal; `series` forgets the series before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opsconsole.settings import parse_duration

DATA = Path(__file__).parents[1] / "data" / "promql"
_OVER = re.compile(r"over (\S+)\.\.(\S+) by (\S+)")
_NOTE = re.compile(r" ! (?=warning: |info: )")


@dataclass(frozen=True)
class Question:
    """Times are milliseconds; `start_ms` alone, where `step_ms` is 0, asks for an instant."""

    place: str
    series: str
    expr: str
    answer: str
    notes: tuple[str, ...]
    start_ms: int
    end_ms: int
    step_ms: int
    names_late: bool

    @property
    def error(self) -> str | None:
        return self.answer.removeprefix("error: ") if self.answer.startswith("error: ") else None

    @property
    def ordered(self) -> bool:
        return self.answer.startswith("ordered ")

    def rows(self) -> list[tuple[str, list[float | None]]]:
        """Each series of the answer with its value at each step."""
        if self.answer == "nothing":
            return []
        return [_row(part) for part in self.answer.removeprefix("ordered ").split(" ; ")]


def questions() -> Iterator[Question]:
    for path in sorted(DATA.glob("*.promql")):
        yield from _of_file(path)


def _of_file(path: Path) -> Iterator[Question]:
    series, start_ms, end_ms, step_ms, late, loading = "", 0, 0, 0, False, False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if line.startswith("series every "):
            series, loading = f"load {line.split()[2]}\n", True
        elif line.startswith("at "):
            start_ms, loading, step_ms = _ms(line.split()[1]), False, 0
            end_ms = start_ms
        elif over := _OVER.fullmatch(line):
            start_ms, end_ms, step_ms, loading = *map(_ms, over.groups()), False
        elif line == "names late":
            late = True
        elif loading:
            series += stripped + "\n"
        else:
            expr, _, answer = stripped.rpartition(" => ")
            answer, *notes = _NOTE.split(answer)
            place = f"{path.stem}:{number}"
            yield Question(place, series, expr, answer, tuple(notes), start_ms, end_ms, step_ms, late)


def _ms(text: str) -> int:
    return 0 if text == "0" else round(parse_duration(text).total_seconds() * 1000)


def _row(text: str) -> tuple[str, list[float | None]]:
    """`name{…} 1 2 _`: the labels as written, and the values."""
    match = re.fullmatch(r"([^\s{]*(?:\{.*\})?)\s+(.*)", text.strip())
    assert match, text
    return match[1], [None if value == "_" else float(value) for value in match[2].split()]
