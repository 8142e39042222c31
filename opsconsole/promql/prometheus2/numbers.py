"""Numbers and durations as Go reads them."""

import math
import re

_DIGITS = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_OCTAL = re.compile(r"0[0-7]+")
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS_MS = (365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
_LONGEST_MS = (2**63 - 1) // 1_000_000
_DECIMAL = re.compile(r"[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?")


def parse_number(text: str) -> float:
    """Whole numbers first: hexadecimal, octal after a leading zero, decimal; then any other. Raises ValueError as Go words it."""
    if text.lower() in ("inf", "nan"):
        return float(text)
    if (whole := _whole(text)) is not None:
        return float(whole)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    if math.isinf(value := float(text)):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return value


def _whole(text: str) -> int | None:
    """If it is written so and fits 64 bits."""
    if not _DIGITS.fullmatch(text):
        return None
    if text[:2] in ("0x", "0X"):
        value = int(text, 16)
    elif len(text) > 1 and text[0] == "0":
        value = int(text, 8) if _OCTAL.fullmatch(text) else -1
    else:
        value = int(text) if len(text) < 20 else -1
    return value if 0 <= value < 2**63 else None


def parse_duration_ms(text: str) -> int:
    """Milliseconds of `1h30m`: units descending, each once. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'not a valid duration string: "{text}"')
    total = sum(int(count) * unit for count, unit in zip(match.groups(), _UNITS_MS, strict=True) if count)
    if total > _LONGEST_MS:
        raise ValueError("duration out of range")
    return total
