"""Values as Go's `fmt` prints them."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from opsconsole.rules.templates.tokens import TemplateError

WIDEST = 1000
_EXPONENT_FROM = 6
_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d*))?([a-zA-Z%])?")


def shown(value: Any) -> str:
    """`%v`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, datetime):
        fraction = f"{value.microsecond:06d}".rstrip("0")
        return f"{value:%Y-%m-%d %H:%M:%S}{'.' + fraction if fraction else ''} +0000 UTC"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{shown(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + " ".join(shown(item) for item in value) + "]"
    return str(value)


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


def printf(template: str, *values: Any) -> str:
    """`fmt.Sprintf`, for the verbs that make sense of what rules hold; a wrong verb prints as Go prints it."""
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        if match[4] == "%":
            return "%"
        if match[4] is None:
            return "%!(NOVERB)"
        if not rest:
            return f"%!{match[4]}(MISSING)"
        return _padded(match, _formatted(match, rest.pop(0)))

    text = _VERB.sub(one, template)
    extra = ", ".join(f"{_type(value)}={shown(value)}" for value in rest)
    return f"{text}%!(EXTRA {extra})" if rest else text


def _padded(match: re.Match[str], text: str) -> str:
    flags, width = match[1], int(match[2] or 0)
    if width > WIDEST:
        raise TemplateError(f"printf: a width of {width} is too much")
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and match[4] in "dfFeEgGx":
        return text.zfill(width)
    return text.rjust(width)


def _formatted(match: re.Match[str], value: Any) -> str:
    verb, flags = match[4], match[1]
    precision = None if match[3] is None else int(match[3] or 0)
    if precision is not None and precision > WIDEST:
        raise TemplateError(f"printf: a precision of {precision} is too much")
    sign = "+" if "+" in flags else " " if " " in flags else ""
    match verb:
        case "v":
            return shown(value)
        case "s" if isinstance(value, str | datetime | Mapping | list | tuple):
            return shown(value)[:precision]
        case "q" if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        case "t" if isinstance(value, bool):
            return shown(value)
        case "d" | "x" | "X" | "o" | "b" | "c" if isinstance(value, int) and not isinstance(value, bool):
            return format(value, f"{sign if verb == 'd' else ''}{verb}")
        case "x" if isinstance(value, str):
            return value.encode().hex()
        case "f" | "F" | "e" | "E" | "g" | "G" if isinstance(value, float):
            return _float(verb, value, precision, sign)
        case _:
            return f"%!{verb}({_type(value)}={shown(value)})"


def _float(verb: str, value: float, precision: int | None, sign: str) -> str:
    if not math.isfinite(value):
        return significant(value)
    if verb in "gG" and precision is None:
        return (sign if value >= 0 else "") + float_text(value)
    return format(value, f"{sign}.{6 if precision is None else precision}{verb}")


def _type(value: Any) -> str:
    kinds: list[tuple[type, str]] = [(bool, "bool"), (int, "int"), (float, "float64"), (str, "string")]
    return next((name for kind, name in kinds if isinstance(value, kind)), "<nil>" if value is None else type(value).__name__)
