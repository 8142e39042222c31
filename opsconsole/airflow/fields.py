"""Reading the fields of Airflow's answers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any


def moment(value: Any) -> datetime | None:
    """A time, aware UTC; None where there is none. Raises ValueError or TypeError for what is no time."""
    if value is None:
        return None
    parsed = datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def words(value: Any, longest: int = 1000) -> str:
    """A text, empty where there is none, cut where it is longer than anybody reads. NUL is no text for PostgreSQL."""
    return "" if value is None else str(value)[:longest].replace("\x00", "")


def names(values: Iterable[Any] | None) -> tuple[str, ...]:
    """The names in a list of texts or of objects with a `name`."""
    return tuple(words(value["name"] if isinstance(value, dict) else value) for value in values or ())


def number(value: Any) -> int:
    """A count; 0 where there is none (2.x says null of an unlimited pool's)."""
    return 0 if value is None else int(value)
