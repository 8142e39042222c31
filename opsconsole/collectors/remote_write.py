"""What a Prometheus writes to the console: the samples of a request into the store, and an account of them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cramjam
import numpy as np

from opsconsole.clock import Clock, millis
from opsconsole.collectors.formats import remote_write as wire
from opsconsole.collectors.formats.remote_write import Malformed, Message
from opsconsole.model import Appended, Labels, MetricsStore, Refs
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.metadata import Description, Metadata
from opsconsole.tsdb.series_cache import SeriesCache

MOST_BYTES = 64 * 2**20
"""Bytes of a request once it is uncompressed."""
AHEAD = timedelta(minutes=10)
"""Samples dated further ahead of the console's clock are refused, as by a Prometheus: they would outlive every retention."""
_IN_A_THREAD = 256 * 1024
_LEARNT_AT_ONCE = 500
"""New series between which others have their turn."""
UNASSIGNED = "unassigned"
_INVALID = -1
"""In place of a ref: the labels cannot be."""


class TooLarge(ValueError):
    """The request would take more memory than one may."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a request's samples; `invalid` ones are of series whose labels cannot be, `wrong` says why of the first.

    `ahead`: dated too far in the future.
    """

    appended: Appended
    invalid: int = 0
    ahead: int = 0
    wrong: str = ""


class RemoteWrite:
    """Takes requests in. Nothing is durable before the store's `commit`."""

    def __init__(self, store: MetricsStore, metadata: Metadata, clock: Clock, telemetry: Telemetry) -> None:
        self._store, self._metadata, self._clock, self._telemetry = store, metadata, clock, telemetry
        self._cache: SeriesCache[bytes, int] = SeriesCache()

    async def take(self, compressed: bytes) -> Account:
        """Append what a request holds. Raises Malformed, TooLarge."""
        self._cache.tick(millis(self._clock.now()), self._store.series)
        message = await self._read(compressed)
        for family, kind, text, unit in message.described:
            self._metadata.note(family, Description(kind, text, unit))
        refs, wrong = await self._learn(message)
        account = await self._append(refs, message, wrong)
        self._count(message, account)
        return account

    async def _read(self, compressed: bytes) -> Message:
        """Large ones in a thread of their own, so that others have their turn."""
        if declared_length(compressed) < _IN_A_THREAD:
            return wire.read(uncompressed(compressed), self._cache.known)
        body = await asyncio.to_thread(uncompressed, compressed)
        return await asyncio.to_thread(wire.read, body, self._cache.known)

    async def _learn(self, message: Message) -> tuple[Refs, str]:
        """The message's refs with those of its new series in; -1 where the labels cannot be, and why of the first."""
        if not message.names:
            return message.refs, ""
        learnt: list[int] = []
        wrong = ""
        for first in range(0, len(message.names), _LEARNT_AT_ONCE):
            if first:
                await asyncio.sleep(0)
            refs, why = self._refs(message.names[first : first + _LEARNT_AT_ONCE])
            learnt += refs
            wrong = wrong or why
        new = message.refs < 0
        found = message.refs.copy()
        found[new] = np.array(learnt, np.int64)[-1 - found[new]]
        return found, wrong

    def _refs(self, names: Sequence[bytes]) -> tuple[list[int], str]:
        """The numbers of series, none above 0 where one may not be, _INVALID where its labels cannot be, and why of the first."""
        refs, wrong = [self._cache.find(name) for name in names], ""
        new: dict[int, Labels] = {}
        for i, name in enumerate(names):
            if refs[i] is None:
                try:
                    new[i] = _assigned(wire.labels(name))
                except ValueError as error:
                    refs[i], wrong = _INVALID, wrong or str(error)
        for i, ref in zip(new, self._store.refs(list(new.values())).tolist(), strict=True):
            refs[i] = ref
            if ref > 0:
                self._cache.put(names[i], ref)
        return [ref or 0 for ref in refs], wrong

    async def _append(self, refs: Refs, message: Message, wrong: str) -> Account:
        ahead = message.times > millis(self._clock.now() + AHEAD)
        good = (refs != _INVALID) & ~ahead
        too_far = int(np.count_nonzero(ahead & (refs != _INVALID)))
        times, values = message.times, message.values
        if not good.all():
            refs, times, values = refs[good], times[good], values[good]
        invalid = len(good) - len(refs) - too_far + message.too_long
        if message.too_long:
            wrong = wrong or f"the labels of a series have more than {wire.LONGEST_NAME:,} bytes"
        return Account(await self._store.append_history(times, refs, values), invalid, too_far, wrong)

    def _count(self, message: Message, account: Account) -> None:
        self._telemetry.remote_write_samples.inc(len(message.refs))
        for kind, count in (("exemplar", message.exemplars), ("native_histogram", message.histograms)):
            if count:
                self._telemetry.remote_write_left_out.labels(kind).inc(count)
        for reason, count in (("invalid_labels", account.invalid), ("too_far_ahead", account.ahead)):
            if count:
                self._telemetry.remote_write_refused.labels(reason).inc(count)


def _assigned(labels: Labels) -> Labels:
    """With a deployment."""
    if "deployment" in labels:
        return labels
    return Labels.of_pairs(tuple(sorted([*labels.pairs, ("deployment", UNASSIGNED)])))


def declared_length(compressed: bytes) -> int:
    """How long a snappy block says it is. Raises Malformed, TooLarge."""
    length = 0
    for shift, byte in enumerate(compressed[:5]):
        length |= (byte & 127) << (7 * shift)
        if byte < 128:
            if length > MOST_BYTES:
                raise TooLarge(
                    f"a request has {length:,} bytes uncompressed, more than {MOST_BYTES:,}: send fewer samples at once"
                )
            return length
    raise Malformed("this is not compressed with snappy")


def uncompressed(compressed: bytes) -> bytes:
    """The content of a snappy block. Raises Malformed, TooLarge."""
    length = declared_length(compressed)
    if length > 64 * len(compressed) + 64:
        raise Malformed("this is not compressed with snappy")  # which makes three bytes of at most sixty-four
    try:
        return bytes(cramjam.snappy.decompress_raw(compressed))
    except cramjam.DecompressionError:
        raise Malformed("this is not compressed with snappy") from None


class Committing:
    """Commits that many callers share: each waits for one that began after it came."""

    def __init__(self, commit: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._commit = commit
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Until everything that was appended before this call is durable. Raises what the database raised."""
        await asyncio.shield(self._upcoming())

    def _upcoming(self) -> "asyncio.Task[None]":
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._commit())
            return self._running
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        return self._next

    async def _after(self, running: "asyncio.Task[None]") -> None:
        await asyncio.wait({running})
        self._running, self._next = self._next, None
        await self._commit()
