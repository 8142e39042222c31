"""Binary operators on numbers."""

from collections.abc import Callable

import numpy as np

from opsconsole.model import Values
from opsconsole.promql import gomath
from opsconsole.promql.vectors import Mask

ARITHMETIC: dict[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": gomath.power,
    "atan2": np.arctan2,
}
COMPARE: dict[str, Callable[[Values, Values], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
