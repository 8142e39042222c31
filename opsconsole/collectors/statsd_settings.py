"""Settings of the StatsD listener, and whose datagrams it receives."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import Field, field_validator

from opsconsole.settings import Duration, Settings

UNASSIGNED = "unassigned"
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^:\s]*)):(?P<port>\d{1,5})")


def split_address(text: str) -> tuple[str, int]:
    """`HOST:PORT` or `[ADDRESS]:PORT` in two; no host is all addresses. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{text!r} is not an address: write it like 127.0.0.1:8125 or [::1]:8125")
    return match["six"] or match["host"] or "::", int(match["port"])


class StatsdSettings(Settings):
    """`listeners.statsd`: the address that deployments share, and how long a silent series is held."""

    listen: str | None = "127.0.0.1:8125"
    mappings: tuple[Path, ...] = ()
    gauge_ttl: Duration = timedelta(minutes=5)
    idle_ttl: Duration = timedelta(days=1)
    max_series: int = Field(default=100_000, ge=100)

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            split_address(value)
        return value


@dataclass(frozen=True, slots=True)
class StatsdSender:
    """One deployment, as its datagrams are known by: an own `listen` address, or a `prefix` on the shared one.

    `timer_unit_consistency` is Airflow 2's `[metrics] timer_unit_consistency`, which the wire does not show.
    """

    deployment: str
    prefix: str = "airflow"
    listen: str | None = None
    timer_unit_consistency: bool = False


def by_prefix(senders: Sequence[StatsdSender]) -> dict[str, StatsdSender]:
    """The senders of the shared address by prefix; one that two deployments have tells neither."""
    shared = [sender for sender in senders if sender.listen is None]
    times = Counter(sender.prefix for sender in shared)
    return {sender.prefix: sender for sender in shared if times[sender.prefix] == 1}


def confused(senders: Sequence[StatsdSender]) -> list[tuple[str, ...]]:
    """The deployments that cannot be told apart, each group's names together: the same prefix, or the same own address."""
    groups: dict[tuple[str, str], list[str]] = {}
    for sender in senders:
        key = ("listen", sender.listen) if sender.listen is not None else ("prefix", sender.prefix)
        groups.setdefault(key, []).append(sender.deployment)
    return [tuple(names) for names in groups.values() if len(names) > 1]
