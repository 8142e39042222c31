"""Our answer to a query beside the one that Prometheus' API gives."""

import math
import re
from collections.abc import Awaitable, Mapping
from typing import Any

from opsconsole.model import Labels, QueryError, QueryResult

Rows = list[tuple[Labels, list[tuple[int, float]]]]
_LONG = re.compile(r"-?[0-9]+\.[0-9]{9,}")
_CLOSE = 1e-12
"""Relative; sines and their like differ in the last digit, sums over what the original goes through at random in more."""


async def asked(answer: Awaitable[QueryResult]) -> QueryResult | QueryError:
    try:
        return await answer
    except QueryError as error:
        return error


def difference(ours: QueryResult | QueryError, theirs: dict[str, Any], *, ordered: bool) -> str:
    """Nothing if both say the same: of errors kind and words, of answers type, labels, times and values."""
    if isinstance(ours, QueryError) or theirs["status"] == "error":
        mine = (ours.kind, str(ours)) if isinstance(ours, QueryError) else ("an answer", "")
        other = (theirs.get("errorType", "an answer"), theirs.get("error", "").removeprefix('invalid parameter "query": '))
        return "" if mine == other else f"ours {mine}, theirs {other}"
    data = theirs["data"]
    if ours.kind != data["resultType"]:
        return f"ours {ours.kind}, theirs {data['resultType']}"
    if ours.kind == "string":
        return "" if ours.text == data["result"][1] else f"ours {ours.text!r}, theirs {data['result'][1]!r}"
    return _rows_differ(_mine(ours), _theirs(data), ordered=ordered)


def _rows_differ(mine: Rows, other: Rows, *, ordered: bool) -> str:
    if ordered and [repr(points[0][1]) for _, points in mine] != [repr(points[0][1]) for _, points in other]:
        return f"ours in the order {mine}, theirs {other}"
    mine, other = sorted(mine, key=lambda row: row[0].pairs), sorted(other, key=lambda row: row[0].pairs)
    if [row[0] for row in mine] != [row[0] for row in other]:
        return f"ours {[row[0] for row in mine]}, theirs {[row[0] for row in other]}"
    for (labels, points), (_, expected) in zip(mine, other, strict=True):
        if [at for at, _ in points] != [at for at, _ in expected]:
            return f"{labels}: at {[at for at, _ in points]}, theirs at {[at for at, _ in expected]}"
        for (at, value), (_, wanted) in zip(points, expected, strict=True):
            if not _same(value, wanted):
                return f"{labels} at {at}: {value}, theirs {wanted}"
    return ""


def _mine(result: QueryResult) -> Rows:
    if result.kind == "matrix":
        return [(_named(row.labels), list(zip(row.timestamps.tolist(), row.values.tolist(), strict=True))) for row in result.rows]
    return [(_named(point.labels), [(point.at_ms, point.value)]) for point in result.points]


def _theirs(data: dict[str, Any]) -> Rows:
    if data["resultType"] == "scalar":
        return [(Labels(), [_point(data["result"])])]
    return [(_named(row["metric"]), [_point(point) for point in row.get("values", [row.get("value")])]) for row in data["result"]]


def _named(labels: Mapping[str, str]) -> Labels:
    """`count_values` makes labels of numbers, with their last digits."""
    return Labels({name: f"{float(value):.12g}" if _LONG.fullmatch(value) else value for name, value in labels.items()})


def _point(pair: list[Any]) -> tuple[int, float]:
    return round(pair[0] * 1000), float(pair[1])


def _same(value: float, wanted: float) -> bool:
    """Zeros differ by their sign."""
    if math.isnan(value) or math.isnan(wanted):
        return math.isnan(value) and math.isnan(wanted)
    if value == wanted:
        return math.copysign(1, value) == math.copysign(1, wanted)
    return math.isclose(value, wanted, rel_tol=_CLOSE)
