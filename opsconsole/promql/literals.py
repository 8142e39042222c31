"""How PromQL writes numbers, durations and strings, and how Go prints them."""

import math
import re
from typing import Any

import numpy as np

_UNITS = {"y": 365 * 86_400_000, "w": 7 * 86_400_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_OCTAL = re.compile(r"0[0-7]+")
_SOME, _HEX = r"[0-9]+(?:_[0-9]+)*", r"[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_DECIMAL = re.compile(rf"[+-]?(?:{_SOME}\.?(?:{_SOME})?|\.{_SOME})(?:[eE][+-]?{_SOME})?")
_HEXADECIMAL = re.compile(rf"[+-]?0[xX](?:_?{_HEX}\.?(?:{_HEX})?|\.{_HEX})[pP][+-]?{_SOME}")
_WORD = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
_UNIT = re.compile(r"[0-9]+([a-z]+)")
_LONGEST_MS = (2**63 - 1) // 1_000_000
_FAR = 2.0**63
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.|$)", re.DOTALL)


def parse_number(text: str) -> float:
    """A number as Go reads it: hexadecimal, octal with a leading zero, decimal, Inf, NaN. Raises ValueError as Go words it."""
    plain = text.replace("_", "")
    if plain.lower() in ("inf", "nan"):
        return float(plain)
    if plain[:2].lower() == "0x":
        if len(plain) > 2 and (value := int(plain, 16)) < 2**63:
            return float(value)
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    if len(plain) > 1 and _OCTAL.fullmatch(plain) and (value := int(plain, 8)) < 2**63:
        return float(value)
    if math.isinf(number := float(plain)):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return number


def parse_float(text: str) -> float:
    """A number from outside an expression (a bucket's bound, a parameter) as Go's `ParseFloat` reads it.

    Raises ValueError, also for a number that is too large to be one.
    """
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.replace("_", ""))
        except OverflowError:
            raise ValueError(f"out of range: {text!r}") from None
    if _WORD.fullmatch(text):
        return float(text)
    if not _DECIMAL.fullmatch(text) or math.isinf(value := float(text.replace("_", ""))):
        raise ValueError(f"not a number: {text!r}")
    return value


def parse_duration_ms(text: str) -> int:
    """Milliseconds of `1h30m`: units descending, each once. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        for unit in _UNIT.findall(text):
            if unit not in _UNITS:
                raise ValueError(f'unknown unit "{unit}" in duration "{text}"')
        raise ValueError(f'not a valid duration string: "{text}"')
    total = sum(int(n) * unit for n, unit in zip(match.groups(), _UNITS.values(), strict=True) if n)
    if total > _LONGEST_MS:
        raise ValueError("duration out of range")
    return total


def to_ms(seconds: float) -> int:
    """Milliseconds, rounded half away from zero as Go rounds; what 64 bits do not hold is the least they do."""
    size = abs(seconds) * 1000
    return math.floor(size + 0.5) * (-1 if seconds < 0 else 1) if size < _FAR else -(2**63)


def format_duration_ms(ms: int) -> str:
    """As Prometheus prints it: years and weeks only when they say it exactly."""
    if ms == 0:
        return "0s"
    words, rest = "-" if ms < 0 else "", abs(ms)
    for name, unit in _UNITS.items():
        if name in ("y", "w") and rest % unit:
            continue
        count, rest = divmod(rest, unit)
        words += f"{count}{name}" if count else ""
    return words


def unquote(text: str) -> str:
    """The value of a quoted string: Go's escapes in '…' and "…", none in backticks. Raises ValueError."""
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body
    out, last = bytearray(), 0
    for match in _ESCAPE.finditer(body):
        out += body[last : match.start()].encode() + _escaped(match[1])
        last = match.end()
    return (out + body[last:].encode()).decode(errors="replace")


def _escaped(code: str) -> bytes:
    if code in _SIMPLE:
        return bytes([_SIMPLE[code]])
    if len(code) == 3 and code[0] == "x":
        return bytes([int(code[1:], 16)])
    if code[:1] in ("u", "U") and len(code) > 1:
        return _rune(int(code[1:], 16))
    if len(code) == 3 and int(code, 8) < 256:
        return bytes([int(code, 8)])
    raise ValueError("unknown escape sequence" if code else "escape sequence not terminated")


def _rune(point: int) -> bytes:
    if point > 0x10FFFF or 0xD800 <= point < 0xE000:
        raise ValueError("escape sequence is an invalid Unicode code point")
    return chr(point).encode()


def format_value(value: float) -> str:
    """The shortest decimal that reads back as the same float, without exponent (Go's `FormatFloat(v, 'f', -1, 64)`)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    shortest: Any = np.format_float_positional(value, trim="-")
    return str(shortest)


def format_general(value: float) -> str:
    """The shortest decimal, with an exponent below 1e-4 and from 1e+06 on (Go's `%g`)."""
    if not math.isfinite(value):
        return format_value(value)
    mantissa, exponent = np.format_float_scientific(value, trim="-").split("e")
    power = int(exponent)
    if -4 <= power < 6:
        return format_value(value)
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def format_bound(value: float) -> str:
    """A float as OpenMetrics writes it in labels: `1.0`, `0.25`, `+Inf`."""
    plain = format_general(value)
    return plain if not plain.lstrip("-").isdigit() else plain + ".0"
