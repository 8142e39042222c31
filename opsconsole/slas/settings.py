"""What the configuration says about SLAs."""

import re
from datetime import time, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from opsconsole.settings import Duration
from opsconsole.settings import Settings as Base

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Deadline(Base):
    """A time of day by which each day's runs are to have succeeded, in a time zone."""

    at: time
    timezone: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def __str__(self) -> str:
        return f"{self.at:%H:%M} {self.timezone}"


def parse_deadline(text: Any) -> Any:
    """`07:00 Europe/Paris`, or `07:00` in UTC. Raises ValueError."""
    if not isinstance(text, str):
        return text
    clock, _, zone = text.strip().partition(" ")
    if (match := _TIME.fullmatch(clock)) is None:
        raise ValueError(f"{text!r} is not a deadline: write it like 07:00 Europe/Paris")
    zone = zone.strip() or "UTC"
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError) as error:
        raise ValueError(f"{zone!r} is not a time zone: write it like Europe/Paris") from error
    return Deadline(at=time(int(match[1]), int(match[2])), timezone=zone)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be more than 0")
    return value


Limit = Annotated[Duration, AfterValidator(_positive)]


class Sla(Base):
    """A promise about the Dags of a deployment whose names fit one of the globs `dags`."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    deployment: Annotated[str, Field(min_length=1)]
    dags: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    deadline: Annotated[Deadline, BeforeValidator(parse_deadline, json_schema_input_type=str)] | None = None
    max_duration: Limit | None = None
    max_start_delay: Limit | None = None
    freshness: Limit | None = None
    severity: Literal["info", "warning", "high", "critical"] = "high"

    @model_validator(mode="after")
    def _promises_something(self) -> Self:
        if not any((self.deadline, self.max_duration, self.max_start_delay, self.freshness)):
            raise ValueError("give at least one of deadline, max_duration, max_start_delay, freshness")
        return self


Slas = tuple[Sla, ...]


def twice(slas: Slas) -> str | None:
    """A name that two SLAs of one deployment share; they could not be told apart."""
    names = [(sla.deployment, sla.name) for sla in slas]
    return next((name for deployment, name in names if names.count((deployment, name)) > 1), None)
