"""Values as Go's `fmt` prints them when nothing else is asked for."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from opsconsole.rules.templates.gotime import Duration, Moment
from opsconsole.rules.templates.values import Context, Element

_EXPONENT_FROM = 6


def shown(value: Any) -> str:
    """`%v`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return float_text(value)
        case Element(labels, number):
            return f"&{{{shown(labels)} {shown(number)}}}"
        case Context():
            parts = (value.labels, value.external_labels, value.external_url, value.value)
            return "{" + " ".join(map(shown, parts)) + "}"
        case Mapping():
            return "map[" + " ".join(f"{key}:{shown(item)}" for key, item in sorted(value.items())) + "]"
        case Sequence() if not isinstance(value, str):
            return "[" + " ".join(map(shown, value)) + "]"
    return str(value)


def output(value: Any) -> str:
    """What an action writes into the text: as `shown`, but for what nobody set and what a pointer points to."""
    if value is None:
        return "<no value>"
    return shown(value).removeprefix("&") if isinstance(value, Element) else shown(value)


def float_text(value: float) -> str:
    """Go's shortest form: `%v` of a float64 has an exponent below 1e-4 and from 1e6 on."""
    if value == 0 or not math.isfinite(value):
        return significant(value)
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    exponent = Decimal(repr(value)).adjusted()
    if -5 < exponent < _EXPONENT_FROM:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if len(digits) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{exponent:+03d}"


def significant(value: float, digits: int = 4) -> str:
    """`%.4g`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.{digits}g}"


def type_name(value: Any) -> str:
    """`%T`."""
    kinds: list[tuple[Any, str]] = [
        (bool, "bool"),
        (int, "int"),
        (float, "float64"),
        (str, "string"),
        (Moment, "*time.Time"),
        (Duration, "*time.Duration"),
        (Element, "*template.sample"),
        (Mapping, "map[string]string"),
        (Sequence, "template.queryResult"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "<nil>")
