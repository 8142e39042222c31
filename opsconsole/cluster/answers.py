"""What the cluster's query API answers, read into our own nouns."""

import json
import re
from typing import Any

import numpy as np

from opsconsole.cluster.sender import explained
from opsconsole.cluster.transport import Answer
from opsconsole.model import Labels, Point, QueryError, QueryResult, Row

_KINDS = frozenset({"bad_data", "execution", "timeout", "canceled", "unavailable", "internal", "not_found"})
"""Prometheus' error types."""
_BY_STATUS = {400: "bad_data", 404: "not_found", 422: "execution", 503: "timeout"}
_PREFIX = 'invalid parameter "query": '
_PLACE = re.compile(r"(\d+):(\d+): parse error: ")
_LAST = 1e12
"""Seconds since 1970, the year 33,000 or so."""
_HISTOGRAMS = "native histograms in the answer were left out"


def data(answer: Answer, expr: str = "") -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """The data of a success, its warnings and its infos. Raises QueryError with the cluster's own words, where it has some."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or body.get("status") not in ("success", "error"):
        raise QueryError(f"the cluster does not answer as Prometheus does: {explained(answer)}", "unavailable")
    if body["status"] == "error":
        raise _error(answer, str(body.get("errorType", "")), str(body.get("error", "")), expr)
    return body.get("data"), _texts(body.get("warnings")), _texts(body.get("infos"))


def _texts(listed: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in listed) if isinstance(listed, list) else ()


def _error(answer: Answer, kind: str, text: str, expr: str) -> QueryError:
    kind = kind if kind in _KINDS else _BY_STATUS.get(answer.status, "execution")
    text = text.removeprefix(_PREFIX) or f"the cluster answers {answer.status}"
    place = _PLACE.match(text)
    return QueryError(text, kind, _offset(expr, int(place[1]), int(place[2])) if place else None)


def _offset(expr: str, line: int, column: int) -> int:
    """Where in the text the column (from 1, in bytes) of the line (from 1) is."""
    lines = expr.split("\n")
    before = sum(len(one) + 1 for one in lines[: line - 1])
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    return before + len(here.encode(errors="replace")[: max(0, column - 1)].decode(errors="ignore"))


def result(answer: Answer, expr: str) -> QueryResult:
    """The answer to a query. Raises QueryError."""
    found, warnings, infos = data(answer, expr)
    try:
        shaped, left_out = _shaped(found)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise QueryError(f"the cluster's answer cannot be read: {type(error).__name__}: {error}", "unavailable") from error
    warnings += (_HISTOGRAMS,) if left_out else ()
    return QueryResult(shaped.kind, shaped.points, shaped.rows, shaped.text, warnings, infos)


def _shaped(found: Any) -> tuple[QueryResult, bool]:
    """And whether elements without a number were left out."""
    listed = found["result"]
    if not isinstance(listed, list):
        raise TypeError("a result is a list")
    match found["resultType"]:
        case "vector":
            numbers = [one for one in listed if "value" in one]
            points = [Point(_labels(one["metric"]), _ms(one["value"][0]), float(one["value"][1])) for one in numbers]
            return QueryResult("vector", points), len(numbers) < len(listed)
        case "matrix":
            numbers = [one for one in listed if one.get("values")]
            return QueryResult("matrix", rows=[_row(one) for one in numbers]), any("histograms" in one for one in listed)
        case "scalar":
            return QueryResult("scalar", [Point(Labels(), _ms(listed[0]), float(listed[1]))]), False
        case "string":
            return QueryResult("string", text=str(listed[1])), False
        case other:
            raise ValueError(f"a result of type {other!r}")


def _row(one: Any) -> Row:
    times, values = zip(*one["values"], strict=True)
    seconds = np.array(times, np.float64)
    if not (np.abs(seconds) < _LAST).all():
        raise ValueError("a time that no calendar has")
    return Row(_labels(one["metric"]), np.rint(seconds * 1000).astype(np.int64), np.array([float(text) for text in values]))


def _ms(seconds: float) -> int:
    if not abs(seconds) < _LAST:
        raise ValueError("a time that no calendar has")
    return round(seconds * 1000)


def _labels(metric: dict[str, str]) -> Labels:
    return Labels({str(name): str(value) for name, value in metric.items()})


def label_sets(answer: Answer) -> list[Labels]:
    try:
        return [_labels(one) for one in _list(answer)]
    except AttributeError:
        raise QueryError("the cluster's answer cannot be read: labels were expected", "unavailable") from None


def texts(answer: Answer) -> list[str]:
    """Sorted."""
    return sorted(str(one) for one in _list(answer))


def _list(answer: Answer) -> list[Any]:
    found, *_ = data(answer)
    if not isinstance(found, list):
        raise QueryError("the cluster's answer cannot be read: a list was expected", "unavailable")
    return found
