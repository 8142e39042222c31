"""What Prometheus' API answers, as the JSON that Prometheus writes: its numbers, its order of keys; in pieces, and quickly.

A range result is millions of numbers, so that a row is one formatting operation: a template with the row's times, filled
with the row's values.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from opsconsole.model import Labels, Millis, Point, QueryResult, Row, Values

PIECE = 256 * 1024
"""Characters that one piece of an answer has, about."""
_HTML = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def dumped(value: Any) -> str:
    """Plain values; what HTML could mistake for its own is escaped, as Go does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_HTML)


def number(value: float) -> str:
    """A sample's value in Go's shortest form: with an exponent below 1e-6 and from 1e21 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value)
    return plain(value)


def plain(value: float) -> str:
    """The same without an exponent, however long it gets: a scalar."""
    if not math.isfinite(value):
        return number(value)
    shortest: Any = np.format_float_positional(value, trim="-")
    return str(shortest)


def timestamp(at_ms: int) -> str:
    """Unix seconds, with three digits of milliseconds where there are any."""
    seconds, rest = divmod(abs(at_ms), 1000)
    return f"{'-' if at_ms < 0 else ''}{seconds}" + (f".{rest:03d}" if rest else "")


def _short(at_ms: int) -> str:
    """As scalars and texts have it, which Go writes by its own rules: no zeros at the end."""
    text = timestamp(at_ms)
    return text.rstrip("0") if "." in text else text


def envelope(data: Iterable[str], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Iterator[str]:
    """A success around its data."""
    yield '{"status":"success","data":'
    yield from data
    yield "".join(f',"{name}":{dumped(list(told))}' for name, told in (("warnings", warnings), ("infos", infos)) if told) + "}"


def query_data(result: QueryResult, at_ms: int) -> Iterator[str]:
    """`at_ms` is the time that was asked about; of a text, the only one."""
    yield f'{{"resultType":"{result.kind}","result":'
    match result.kind:
        case "matrix":
            yield from _array(_rows(result.rows))
        case "vector":
            yield from _array(map(_point, result.points))
        case "scalar":
            yield from (f'[{_short(point.at_ms)},"{plain(point.value)}"]' for point in result.points)
        case "string":
            yield f"[{_short(at_ms)},{dumped(result.text)}]"
    yield "}"


def label_sets(found: Iterable[Labels]) -> Iterator[str]:
    """An array of series' labels."""
    return _array(map(_labels, found))


def bunched(texts: Iterable[str]) -> Iterator[bytes]:
    """The same text in pieces worth sending."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= PIECE:
            yield "".join(held).encode(errors="replace")
            held, size = [], 0
    if held:
        yield "".join(held).encode(errors="replace")


def _array(items: Iterable[str]) -> Iterator[str]:
    yield "["
    comma = ""
    for item in items:
        yield comma + item
        comma = ","
    yield "]"


def _labels(labels: Labels) -> str:
    return json.dumps(dict(labels.pairs), ensure_ascii=False, separators=(",", ":"))


def _point(point: Point) -> str:
    return f'{{"metric":{_labels(point.labels)},"value":[{timestamp(point.at_ms)},"{number(point.value)}"]}}'


def _rows(rows: Sequence[Row]) -> Iterator[str]:
    """Rows that share their times, as those of a range query mostly do, share the template."""
    known: Millis | None = None
    template = ""
    for row in rows:
        if row.timestamps is not known:
            known = row.timestamps
            template = ",".join([f'[{timestamp(at)},"%s"]' for at in known.tolist()])
        values = template % _texts(row.values)
        yield f'{{"metric":{_labels(row.labels)},"values":[{values.replace(".0" + chr(34), chr(34))}]}}'


def _texts(values: Values) -> tuple[float | str, ...]:
    """Values that `%s` writes as Go would (but for the `.0` of whole numbers), the others as texts."""
    size = np.abs(values)
    odd = ~(((size >= 1e-4) & (size < 1e16)) | (size == 0))
    texts: list[float | str] = values.tolist()
    for place in np.flatnonzero(odd).tolist():
        texts[place] = number(float(values[place]))
    return tuple(texts)
