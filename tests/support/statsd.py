"""A StatsD listener without sockets: captures and lines in, series out."""

import gzip
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from opsconsole.collectors.formats.statsd_mapping import Rules
from opsconsole.collectors.formats.statsd_mapping_file import load
from opsconsole.collectors.statsd import BUILT_IN, dropped
from opsconsole.collectors.statsd_intake import Intake
from opsconsole.collectors.statsd_registry import Registry
from opsconsole.collectors.statsd_resolve import Generation, Resolver
from opsconsole.collectors.statsd_settings import StatsdSender, StatsdSettings, by_prefix
from opsconsole.model import Labels
from tests.support.clock import NOON

CAPTURES = Path(__file__).parent.parent / "data" / "statsd"
START = NOON.timestamp()


class Memory:
    """A store that remembers."""

    def __init__(self) -> None:
        self._refs: dict[tuple[str, Labels], int] = {}
        self.samples: dict[int, list[tuple[int, float]]] = defaultdict(list)

    def ref(self, name: str, labels: Labels) -> int:
        return self._refs.setdefault((name, labels), len(self._refs) + 1)

    def append_refs(self, at_ms: int, refs: Sequence[int], values: Sequence[float]) -> None:
        for ref, value in zip(refs, values, strict=True):
            self.samples[ref].append((at_ms, value))

    def all(self) -> dict[tuple[str, Labels], list[tuple[int, float]]]:
        return {key: self.samples[ref] for key, ref in self._refs.items()}


class Stream:
    """What one address would make of the lines it is given; `now` moves with `step`."""

    def __init__(
        self,
        *senders: StatsdSender,
        own: StatsdSender | None = None,
        user: Rules | None = None,
        generation: Generation = lambda deployment: None,
        settings: StatsdSettings | None = None,
    ) -> None:
        settings = settings or StatsdSettings()
        self.memory, self.now = Memory(), START
        self.registry = Registry(self.memory, settings.max_series)
        rules = user or Rules(), load([BUILT_IN])
        prefixes = by_prefix(senders or (StatsdSender("prod"),))
        self.resolver = Resolver(self.registry, settings, rules, generation, own=own, senders=prefixes)
        self.intake = Intake(self.resolver)

    def send(self, *datagrams: str | bytes) -> "Stream":
        raw = [each.encode() if isinstance(each, str) else each for each in datagrams]
        self.intake.take(raw, self.now)
        return self

    def step(self, seconds: float = 1.0, times: int = 1) -> "Stream":
        for _ in range(times):
            self.now += seconds
            self.registry.step(datetime.fromtimestamp(self.now, UTC))
            self.intake.renew()
        return self

    def replay(self, capture: str, until: float = float("inf")) -> "Stream":
        """Send a capture at the times it has, with a step every second."""
        for at, datagram in datagrams(capture):
            if at > until:
                break
            if self.now == START:
                self.now = float(int(at))
            while self.now + 1 <= at:
                self.step()
            self.intake.take([datagram], at)
        return self.step()

    def last(self, name: str, **labels: str) -> float | None:
        """The newest value of the series with exactly these labels, `deployment` apart where it is `prod`."""
        samples = self.memory.all().get((name, Labels({"deployment": "prod", **labels})))
        return samples[-1][1] if samples else None

    def history(self, name: str, **labels: str) -> list[tuple[int, float]]:
        return self.memory.all()[name, Labels({"deployment": "prod", **labels})]

    def names(self) -> set[str]:
        return {name for name, _ in self.memory.all()}

    def shapes(self) -> dict[str, set[frozenset[str]]]:
        """The label names that each metric's series have."""
        found: dict[str, set[frozenset[str]]] = defaultdict(set)
        for name, labels in self.memory.all():
            found[name].add(frozenset(labels))
        return found

    @property
    def dropped(self) -> dict[str, int]:
        return dropped(self.resolver.lanes(), self.intake.flooded)


def datagrams(capture: str) -> Iterator[tuple[float, bytes]]:
    with gzip.open(CAPTURES / f"{capture}.txt.gz", "rt", newline="\n") as lines:
        for line in lines:
            at, _, text = line.rstrip("\n").partition(" ")
            yield float(at), text.replace("\\n", "\n").encode()


def plain(capture: str) -> Iterator[tuple[str, float, str]]:
    """Name, value and type of every line of a capture without tags, read in the plainest way."""
    for _, datagram in datagrams(capture):
        for line in datagram.decode().splitlines():
            name, _, rest = line.partition(":")
            value, kind = rest.split("|")[:2]
            yield name.removeprefix("airflow."), float(value), kind
