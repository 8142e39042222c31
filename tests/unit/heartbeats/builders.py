"""Checks and pings for tests, in few words."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from opsconsole.db.checks import Check, Ping
from opsconsole.heartbeats.state import answered
from tests.support.clock import NOON

MINUTE = timedelta(minutes=1)


def check(**values: Any) -> Check:
    """Made at noon, due every five minutes with two minutes of grace."""
    plain = Check(
        id=1,
        uuid="0b1c8b0e-3c4f-4a53-9f6e-2f2f6a3f8f10",
        slug="prod-canary",
        name="Canary",
        deployment="prod",
        tags=(),
        period=5 * MINUTE,
        schedule=None,
        timezone="UTC",
        grace=2 * MINUTE,
        created_at=NOON,
    )
    return replace(plain, **values)


def pinged(check: Check, kind: str, at: datetime, rid: str | None = None) -> Check:
    return answered(check, Ping(at=at, kind=kind, method="GET", remote="10.0.0.7", rid=rid))[0]
