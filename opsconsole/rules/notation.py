"""Series as promtool's unit tests write them: `up{job="x"}` and `0+1x5 _ stale`."""

import re
from collections.abc import Iterator
from itertools import accumulate, repeat

from opsconsole import promql
from opsconsole.model import STALE, Labels, QueryError
from opsconsole.promql.literals import unquote

MOST_VALUES = 1_000_000
_METRIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(.*)\})?\s*", re.DOTALL)
_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)(\s+\{)?")
_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*("(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`)\s*(,|$)')
_DIGITS = r"(?:[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.)"
_WORD = r"(?:[iI]nf|[nN]a[nN])"
_VALUES = re.compile(rf"([+-]?{_DIGITS})(?:([+-]{_DIGITS})?x([0-9]+))?|([+-]?{_WORD})")
_OMITTED = re.compile(r"_(?:x([0-9]+))?")


def series(text: str) -> Labels:
    """Labels with `__name__`. Raises ValueError."""
    match = _METRIC.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a series")
    labels = {"__name__": match[1]} if match[1] else {}
    inner, at = match[2] or "", 0
    while inner[at:].strip():
        pair = _PAIR.match(inner, at)
        if pair is None:
            raise ValueError(f"{text!r} is not a series")
        if pair[1] in labels:
            raise ValueError(f"{text!r} has the label {pair[1]} twice")
        labels[pair[1]] = unquote(pair[2])
        at = pair.end()
    return Labels(labels)


def input_series(text: str) -> Labels:
    """The labels of a series that is given values; promtool is stricter there. Raises ValueError."""
    labels, name = series(text), _NAME.match(text)
    if not labels:
        raise ValueError(f"{text!r} is not a series: it has no labels")
    if name:
        try:
            promql.parse_selector(name[1])
        except QueryError as error:
            raise ValueError(f"{text!r} is not a series: PromQL has another use for {name[1]}") from error
        if name[2]:
            raise ValueError(f"{text!r} is not a series: there is a blank before {{")
    return labels


def values(text: str) -> list[float | None]:
    """One value a step, None where there is no sample. Raises ValueError."""
    found: list[float | None] = []
    for word in text.split():
        found += _expanded(word, MOST_VALUES - len(found))
    return found


def _expanded(word: str, most: int) -> Iterator[float | None]:
    if word == "stale":
        return iter([STALE])
    if omitted := _OMITTED.fullmatch(word):
        return iter([None] * _count(omitted[1] or "1", most))
    match = _VALUES.fullmatch(word)
    if match is None:
        raise ValueError(f"{word!r} is not a value: write 1, 0+5x10, _, _x4 or stale")
    # added up one by one as promtool does, since what rounding makes of it may be a counter's reset
    start, step = float(match[1] or match[4]), float(match[2] or 0)
    times = _count(match[3] or "0", most - 1) + 1
    return accumulate(repeat(step, times - 1), initial=start)


def _count(text: str, most: int) -> int:
    if (count := int(text)) > most:
        raise ValueError(f"a series may have {MOST_VALUES} values")
    return count
