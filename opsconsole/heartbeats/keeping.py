"""Keeping checks and pings: the configuration into rows, a ping into its check."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from opsconsole.db import Session, checks
from opsconsole.db.checks import Check, Ping
from opsconsole.heartbeats.settings import CheckSettings, Settings
from opsconsole.heartbeats.state import LONGEST_RUN, answered


async def configure(session: Session, settings: Settings, now: datetime) -> None:
    """Make the configured checks be those of `settings`: at start and after a reload."""
    await checks.upsert_configured(session, [_row(check) for check in settings.checks], now)


def _row(check: CheckSettings) -> dict[str, Any]:
    return {
        "slug": check.slug,
        "name": check.name or check.slug,
        "deployment": check.deployment,
        "tags": list(check.tags),
        "period": None if check.period is None else check.period.total_seconds(),
        "schedule": check.schedule,
        "timezone": check.timezone,
        "grace": check.grace.total_seconds(),
    }


async def keep(session: Session, check: Check, ping: Ping) -> Check:
    """Record `ping` for `check`, whose row the caller's transaction has locked."""
    if ping.rid is not None and ping.kind in ("success", "fail") and ping.rid != check.last_start_rid:
        began = await checks.start_of(session, check.id, ping.rid, ping.at - LONGEST_RUN)
        ping = replace(ping, duration=ping.at - began if began else None)
    away = await checks.last_away(session) if ping.kind == "start" else None
    check, ping = answered(check, ping, away)
    await checks.record(session, check, ping)
    return check
