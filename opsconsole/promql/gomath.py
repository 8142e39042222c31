"""Exponentials, logarithms and powers to the last digit as Go's `math` gives them on common machines.

Each function is accurate to about a unit in the last place, like numpy's, but not to the same one; the difference shows where
a value becomes a label or is compared. Sources: Go, `src/math/{log,log10,pow}.go` (the logarithm is FreeBSD's) and
`exp_amd64.s` (N. Shibata, "Efficient evaluation methods of elementary functions suitable for SIMD computation", 2010), which
fuses multiplications with additions.
"""

import math
from typing import Any

import numpy as np

from opsconsole.model import Values

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ODD = (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01)
_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_LN2_UPPER, _LN2_REST = 0.69314718055966295651160180568695068359375, 0.28235290563031577122588448175013436025525412068e-12
_LARGEST = 7.09782712893384e02
_LOG10_E = 0.43429448190325182765
_SPLIT = 134217729.0
_FARTHEST = 1 << 12
"""A binary exponent beyond this one ends in zero or infinity, whatever else it is multiplied by."""


def ln(x: Values) -> Values:
    fraction, exponent = np.frexp(x)
    small = fraction < math.sqrt(2) / 2
    f, k = np.where(small, fraction * 2, fraction) - 1, exponent - small.astype(float)
    s = f / (2 + f)
    even, odd = s * s, s * s * (s * s)
    rest = even * _polynomial(_ODD, odd) + odd * _polynomial(_EVEN, odd)
    half = 0.5 * f * f
    found = k * _LN2_HIGH - ((half - (s * (half + rest) + k * _LN2_LOW)) - f)
    return np.where((x > 0) & np.isfinite(x), found, np.log(x))


def log2(x: Values) -> Values:
    """Exact for powers of two."""
    fraction, exponent = np.frexp(x)
    found = np.where(fraction == 0.5, exponent - 1.0, ln(fraction) * (1 / math.log(2)) + exponent)
    return np.where((x > 0) & np.isfinite(x), found, np.log2(x))


def log10(x: Values) -> Values:
    return ln(x) * _LOG10_E


def exp(x: Values) -> Values:
    """What would be less than the least normal number is 0."""
    sane = np.where(np.abs(x) < 1e4, x, 0.0)
    n = np.rint(sane * (1 / math.log(2)))
    reduced = _fused(n, -_LN2_REST, _fused(n, -_LN2_UPPER, sane)) * 0.0625
    series = np.full_like(reduced, 2.4801587301587301587e-5)
    for term in (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0):
        series = _fused(series, reduced, term)
    grown = reduced * series
    for _ in range(3):
        grown = (grown + 2) * grown
    found = np.ldexp(_fused(grown + 2, grown, 1.0), n.astype(np.int32))
    found = np.where(n <= -1023, 0.0, np.where((n >= 1024) | (x > _LARGEST), np.inf, found))
    return np.where(np.abs(x) < 1e4, found, np.exp(x))


def power(x: Values, y: Values) -> Values:
    """x to the y-th; infinities, zeros and NaN as IEEE 754 has them."""
    x, y = (np.asarray(side, dtype=float) for side in np.broadcast_arrays(x, y))
    found: Values = np.power(x, y)
    roots = (np.abs(y) == 0.5) & np.isfinite(x) & (x != 0)
    found = np.where(roots, np.where(y > 0, np.sqrt(x), 1 / np.sqrt(x)), found)
    plain = np.isfinite(x) & (x != 0) & (x != 1) & (np.abs(y) < 2.0**63) & (y != 0) & (y != 1) & ~roots & ~np.isnan(found)
    if not plain.any():
        return found
    return np.where(plain, _power(np.where(plain, x, 1.0), np.where(plain, y, 1.0)), found)


def _power(x: Values, y: Values) -> Values:
    """By squaring for the whole part of y, with binary exponents apart, and through the logarithm for the rest."""
    part, whole = np.modf(np.abs(y))
    over = part > 0.5
    part, bits = np.where(over, part - 1, part), (whole + over).astype(np.uint64)
    value = np.where(part == 0, 1.0, exp(part * ln(np.abs(x))))
    square, doubled = np.frexp(x)
    doubled, exponent = doubled.astype(np.int64), np.zeros(x.shape, dtype=np.int64)
    while (left := bits != 0).any():
        far = left & (np.abs(doubled) > _FARTHEST)
        exponent, bits = np.where(far, exponent + doubled, exponent), np.where(far, np.uint64(0), bits)
        odd = (bits & np.uint64(1)) == 1
        value, exponent = np.where(odd, value * square, value), np.where(odd, exponent + doubled, exponent)
        square, doubled, bits = square * square, doubled * 2, bits >> np.uint64(1)
        low = square < 0.5
        square, doubled = np.where(low, square + square, square), np.where(low, doubled - 1, doubled)
        doubled = np.clip(doubled, -4 * _FARTHEST, 4 * _FARTHEST)
    value, exponent = np.where(y < 0, 1 / value, value), np.where(y < 0, -exponent, exponent)
    return np.ldexp(value, np.clip(exponent, -100_000, 100_000).astype(np.int32))


def _polynomial(coefficients: tuple[float, ...], x: Values) -> Any:
    found: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        found = coefficient + x * found
    return found


def _fused(a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once (but for a double rounding that next to never shows): the product's error is added at the end."""
    product, total = a * b, a * b + c
    high_a, high_b = _high(a), _high(b)
    low_a, low_b = a - high_a, b - high_b
    lost = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
    back = total - product
    return total + ((product - (total - back)) + (c - back) + lost)


def _high(x: Any) -> Any:
    scaled = _SPLIT * x
    return scaled - (scaled - x)
