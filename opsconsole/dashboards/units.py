"""Numbers as people read them, by the unit of their panel."""

import math

from opsconsole.clock import from_millis

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def text(value: float, unit: str) -> str:
    """`value` with its unit, in about three figures."""
    if not math.isfinite(value):
        return "no value" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    match unit:
        case "seconds":
            return _seconds(value)
        case "ratio":
            return f"{_short(value * 100)} %"
        case "bytes":
            return _bytes(value)
        case "per_second":
            return f"{_short(value)}/s"
        case "count":
            return _short(round(value))  # `increase` extrapolates, and nobody counts in fractions
        case "timestamp":
            return f"{from_millis(value * 1000):%Y-%m-%d %H:%M:%S} UTC" if 0 < value < 2**36 else "never"
    return _short(value)


def _seconds(value: float) -> str:
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 1e-3:
        return f"{_short(value * 1e6)} µs"
    if size < 1:
        return f"{_short(value * 1e3)} ms"
    if size < 120:
        return f"{_short(value)} s"
    if size < 2 * 3600:
        return f"{_short(value / 60)} min"
    return f"{_short(value / 3600)} h" if size < 2 * 86_400 else f"{_short(value / 86_400)} d"


def _bytes(value: float) -> str:
    for unit in _BYTES:
        if abs(value) < 1024 or unit == _BYTES[-1]:
            return f"{_short(value)} {unit}"
        value /= 1024
    raise AssertionError(value)


def _short(value: float) -> str:
    for size, letter in _LARGE:
        if abs(value) >= size:
            return f"{_short(value / size)} {letter}"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"
