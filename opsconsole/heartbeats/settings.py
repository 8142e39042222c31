"""What the configuration says about heartbeats."""

from datetime import timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from opsconsole.heartbeats.schedule import next_time
from opsconsole.settings import Duration, Secret
from opsconsole.settings import Settings as Base

_YEAR = timedelta(days=365)


def _positive(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= _YEAR:
        raise ValueError("must be more than 0 and at most 365d")
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise ValueError(f"{name!r} is not a time zone: write it like Europe/Paris") from error
    return name


def _cron(text: str) -> str:
    next_time(text, "UTC", None)
    return text


Slug = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=100)]
Wait = Annotated[Duration, AfterValidator(_positive)]


class CheckSettings(Base):
    """A heartbeat: either `period`, how often it comes, or `schedule`, a cron expression in `timezone`."""

    slug: Slug
    name: str = Field("", max_length=100)
    deployment: str = ""
    period: Wait | None = None
    schedule: Annotated[str, AfterValidator(_cron)] | None = None
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    grace: Wait = timedelta(hours=1)
    tags: tuple[Annotated[str, Field(pattern=r"^[^\s,]+$", max_length=100)], ...] = ()

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if (self.period is None) == (self.schedule is None):
            raise ValueError("give period or schedule, exactly one of them")
        return self


class Settings(Base):
    """`ping_key` is the secret part of `/ping/{ping_key}/{slug}`; without one, pings come by uuid only."""

    ping_key: Secret | None = None
    checks: tuple[CheckSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _empty_key_is_none(cls, data: Any) -> Any:
        return {**data, "ping_key": None} if isinstance(data, dict) and data.get("ping_key") == "" else data

    @model_validator(mode="after")
    def _slugs_differ(self) -> Self:
        slugs = [check.slug for check in self.checks]
        if twice := sorted({slug for slug in slugs if slugs.count(slug) > 1}):
            raise ValueError(f"checks: the slug {twice[0]!r} is used twice")
        return self
