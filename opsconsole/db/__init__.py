"""SQLAlchemy tables and query functions, one module per noun; transactions are opened by who calls them."""

from opsconsole.db import (
    accounts,
    alerts,
    checks,
    dags,
    incident_events,
    incidents,
    moves,
    outbox,
    queue,
    runs,
    series,
    silences,
    storms,
    tries,
    watermarks,
)
from opsconsole.db.base import Session, metadata
from opsconsole.db.database import Database, GroupWriter

__all__ = [
    "Database",
    "GroupWriter",
    "Session",
    "accounts",
    "alerts",
    "checks",
    "dags",
    "incident_events",
    "incidents",
    "metadata",
    "moves",
    "outbox",
    "queue",
    "runs",
    "series",
    "silences",
    "storms",
    "tries",
    "watermarks",
]
