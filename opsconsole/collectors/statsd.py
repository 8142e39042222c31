"""The StatsD listener: Airflow's own metrics, as they happen."""

import asyncio
import logging
import socket
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client import Counter

from opsconsole.clock import Clock
from opsconsole.collectors.formats.statsd_mapping import Rules
from opsconsole.collectors.formats.statsd_mapping_file import load
from opsconsole.collectors.statsd_intake import Intake
from opsconsole.collectors.statsd_registry import Registry
from opsconsole.collectors.statsd_resolve import Generation, Lane, Resolver
from opsconsole.collectors.statsd_series import SeriesStore
from opsconsole.collectors.statsd_settings import UNASSIGNED, StatsdSender, StatsdSettings, by_prefix
from opsconsole.collectors.statsd_socket import BATCH, Reader, buffer_size, kernel_drops, listen
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

_READS = 8
"""Batches read before the event loop gets its turn again."""
_FEW = 64
_MOST_PAUSE = 0.2
_BYTES_A_SECOND = 100_000 * 1280
"""What the kernel's buffer must take while the socket is left alone: datagrams, and the memory that it counts for each."""
BUILT_IN = Path(__file__).parent / "mappings" / "airflow.yaml"


def mappings(settings: StatsdSettings) -> tuple[Rules, Rules]:
    """The user's mapping files, and ours. Raises `ConfigError` with every problem as `file:line: message`."""
    return load(settings.mappings), load([BUILT_IN])


def heard(settings: StatsdSettings, senders: Sequence[StatsdSender]) -> set[str]:
    """The deployments whose datagrams a listener with these settings receives."""
    own = {sender.deployment for sender in senders if sender.listen is not None}
    return own if settings.listen is None else {UNASSIGNED, *(sender.deployment for sender in senders)}


class StatsdListener:
    """Sockets, and the path from a datagram to the store. Open it, call `step` every second, close it.

    Raises `ConfigError` when made with mapping files that cannot be used, `OpsConsoleError` when opened on an address
    that cannot be had.
    """

    def __init__(
        self,
        settings: StatsdSettings,
        senders: Sequence[StatsdSender],
        store: SeriesStore,
        clock: Clock,
        telemetry: Telemetry,
        generation: Generation = lambda deployment: None,
    ) -> None:
        self._clock, self._telemetry = clock, telemetry
        self._registry = Registry(store, settings.max_series)
        rules = mappings(settings)
        self.ports: list[Port] = []
        if settings.listen is not None:
            shared = Resolver(self._registry, settings, rules, generation, senders=by_prefix(senders))
            self.ports.append(Port(settings.listen, shared, clock))
        for sender in senders:
            if sender.listen is not None:
                own = Resolver(self._registry, settings, rules, generation, own=sender)
                self.ports.append(Port(sender.listen, own, clock))
        self._ledger = Ledger(telemetry)

    @property
    def strangers(self) -> Mapping[str, int]:
        """First words of names that no deployment's prefix fits, with how many names each has."""
        return {word: names for port in self.ports for word, names in port.resolver.strangers.items()}

    async def open(self) -> None:
        """Listen on every address; on none of them if one cannot be had."""
        try:
            for port in self.ports:
                port.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening, and store what has arrived."""
        for port in self.ports:
            port.close()
        await self.step(self._clock.now())

    def end(self, now: datetime, *, but: Container[str]) -> None:
        """Once closed: end the series of all deployments `but` these, because nobody listens for them from now on."""
        self._registry.end(now, but)

    async def step(self, now: datetime) -> None:
        """Store what changed, count what happened; every second."""
        self._registry.step(now)
        if self._registry.purge():
            for port in self.ports:
                port.intake.forget()
        for port in self.ports:
            port.intake.renew()
            self._ledger.port(port)
        self._telemetry.statsd_series.set(len(self._registry))


class Port:
    """One address, and what comes in on it."""

    def __init__(self, address: str, resolver: Resolver, clock: Clock) -> None:
        self.address, self.resolver, self.intake = address, resolver, Intake(resolver)
        self._clock = clock
        self._socket: socket.socket | None = None
        self._reader: Reader | None = None
        self._pause: asyncio.TimerHandle | None = None
        self.drops = self.buffer = 0

    @property
    def bound(self) -> tuple[str, int]:
        """Host and port in truth, also where port 0 was asked for."""
        if self._socket is None:
            raise RuntimeError(f"{self.address} is not open")
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def truncated(self) -> int:
        return 0 if self._reader is None else self._reader.truncated

    def open(self) -> None:
        self._socket = listen(self.address)
        self._reader = Reader(self._socket)
        self.buffer = buffer_size(self._socket)
        self._await_more()
        log.info("listening for StatsD", extra={"address": self.address, "buffer": self.buffer})

    def close(self) -> None:
        if self._socket is not None:
            if self._pause is not None:
                self._pause.cancel()
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self.drain(reads=1_000)
            self.look()
            self._socket.close()
            self._socket = None

    def _await_more(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._came)

    def _came(self) -> None:
        """After a read of few datagrams leave the socket alone for a moment, so that what Airflow sends next to one another
        is one wake-up of the process; no longer than the kernel can surely keep what comes."""
        if self._socket is not None and self.drain() < _FEW:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket.fileno())
            self._pause = loop.call_later(min(_MOST_PAUSE, self.buffer / _BYTES_A_SECOND), self._await_more)

    def drain(self, reads: int = _READS) -> int:
        """Read what waits, up to a bound: the loop calls again while more does. Returns the datagrams of the last read."""
        if self._reader is None:
            return 0
        at, count = self._clock.now().timestamp(), 0
        for _ in range(reads):
            datagrams = self._reader.read()
            self.intake.take(datagrams, at)
            count = len(datagrams)
            if count < BATCH:
                break
        return count

    def look(self) -> None:
        """Ask the kernel what it dropped."""
        if self._socket is not None:
            self.drops = kernel_drops(self._socket) or self.drops


class Ledger:
    """Carries numbers that only grow into counters."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._told: dict[tuple[str, ...], int] = {}

    def port(self, port: Port) -> None:
        port.look()
        to, intake, address = self._telemetry, port.intake, port.address
        self._tell(to.statsd_datagrams.labels(address), ("datagrams", address), intake.datagrams)
        self._tell(to.statsd_lines.labels(address), ("lines", address), intake.lines)
        self._tell(to.statsd_unassigned.labels(address), ("unassigned", address), intake.unassigned)
        self._tell(to.statsd_kernel_dropped.labels(address), ("kernel", address), port.drops)
        to.statsd_receive_buffer.labels(address).set(port.buffer)
        for reason, count in [*intake.malformed.items(), ("truncated", port.truncated)]:
            self._tell(to.statsd_malformed.labels(address, reason), ("malformed", address, reason), count)
        for reason, count in dropped(port.resolver.lanes(), intake.flooded).items():
            self._tell(to.statsd_dropped.labels(address, reason), ("dropped", address, reason), count)

    def _tell(self, counter: Counter, key: tuple[str, ...], now: int) -> None:
        counter.inc(now - self._told.get(key, 0))
        self._told[key] = now


def dropped(lanes: Iterable[Lane], flooded: int) -> dict[str, int]:
    """Lines kept nowhere, by reason."""
    counts = {"too_many_new_names": flooded} if flooded else {}
    for lane in lanes:
        for target in lane.dropped.values():
            counts[target.reason] = counts.get(target.reason, 0) + target.count
    return counts
