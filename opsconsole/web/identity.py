"""Who asks, and what they may do."""

import enum
from dataclasses import dataclass
from typing import Literal


class Role(enum.StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, other: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Identity:
    """`csrf` is the token that an unsafe request must show; a request with an API key needs none."""

    name: str
    role: Role
    kind: Literal["session", "key", "open"]
    csrf: str = ""
