"""Sends what is queued, in order, until the cluster has it.

What the samples themselves are refused for (400 and its like) is parted until only the refused ones are left out: a
Prometheus takes nothing of a request that has one sample it will not have. Everything else, a cluster that is away, busy,
behind a wrong address or with other credentials, is tried again for as long as the queue has room.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from opsconsole.clock import Clock, from_millis
from opsconsole.cluster.encoding import MalformedError, packed, parted, unpacked
from opsconsole.cluster.queue import Queue
from opsconsole.cluster.transport import Answer, AwayError, Transport
from opsconsole.db.queue import QueueRow
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
EMPTY = packed(())
"""A request without samples, which a cluster that can be written to takes."""

_FIRST, _LONGEST, _LONGEST_TOLD = 0.5, 5.0, 300.0
"""Seconds: the first wait, the longest of our own, the longest that we let ourselves be told."""
_REFUSED = frozenset({400, 409, 413, 422})
_JOINED, _JOINED_SAMPLES = 20, 10_000
"""Rows and samples of one request, at the most."""
_PARTINGS, _PARTINGS_AGAIN = 200, 40
"""Requests to find out which samples of a row are refused, and of one that may have been sent before, which is refused for
that alone; what is refused together after that is dropped together."""
_SILENCE = 600.0
"""Seconds between two lines of the log about samples that are refused."""

ADVICE = {
    401: "the credentials in storage.metrics.headers are refused",
    403: "the credentials in storage.metrics.headers do not allow it",
    404: "nothing takes samples there: is the address right, and does it accept remote writes "
    "(Prometheus: --web.enable-remote-write-receiver)?",
}


class RefusedError(Exception):
    """The cluster will not have these samples, and asking again would not help."""


class Sender:
    """`step` sends all that waits. `failing` is why it cannot, and `since` from when on."""

    def __init__(self, queue: Queue, transport: Transport, url: str, clock: Clock, telemetry: Telemetry) -> None:
        self._queue, self._transport, self._url = queue, transport, url
        self._clock, self._telemetry = clock, telemetry
        self._not_before = self._wait = 0.0
        self._again = True  # what comes next may have been sent before: by a process that crashed, or without an answer
        self._told_refused: float | None = None
        self._sending = asyncio.Lock()
        self.failing = ""
        self.since: datetime | None = None

    async def step(self, now: datetime) -> None:
        """Send until the queue is empty or the cluster does not take it; then not again before it is time."""
        async with self._sending:
            if self._clock.monotonic() >= self._not_before:
                await self._send(now)

    async def _send(self, now: datetime) -> None:
        try:
            while rows := await self._queue.next(_JOINED):
                rows = _fitting(rows)
                await self._deliver(rows)
                self._queue.done(rows)
                self._well()
        except AwayError as error:
            self._again = True
            self._ill(str(error), now)

    async def _deliver(self, rows: Sequence[QueueRow]) -> None:
        """Returns once the cluster has taken or refused every sample. Raises AwayError."""
        try:
            await self._write(rows[0].data if len(rows) == 1 else packed(unpacked(row.data) for row in rows))
        except (RefusedError, MalformedError) as error:
            if len(rows) == 1:
                await self._part(rows[0], str(error))
                return
            for row in rows:
                await self._deliver([row])
        else:
            self._again = False
            self._telemetry.cluster_sent.inc(sum(row.samples for row in rows))

    async def _part(self, row: QueueRow, reason: str) -> None:
        """Find the samples of a refused row that are to blame, by halves, in order; the others are taken."""
        await self._may_write(reason)
        try:
            waiting = _halves(parted(unpacked(row.data)))
        except MalformedError as error:
            self._drop(row.samples, str(error))
            return
        asked, most = 0, _PARTINGS_AGAIN if self._again else _PARTINGS
        while waiting:
            entries = waiting.pop()
            asked += 1
            try:
                await self._write(packed(entries))
            except RefusedError as error:
                if len(entries) == 1 or asked >= most:
                    self._drop(len(entries), str(error))
                else:
                    waiting += _halves(entries)
            else:
                self._telemetry.cluster_sent.inc(len(entries))

    async def _may_write(self, reason: str) -> None:
        """Where not even a request without samples is taken, it is not the samples' fault. Raises AwayError."""
        try:
            await self._write(EMPTY)
        except RefusedError:
            raise AwayError(reason) from None

    async def _write(self, body: bytes) -> None:
        answer = await self._transport.post(self._url, body, HEADERS)
        if 200 <= answer.status < 300:
            return
        if answer.status in _REFUSED:
            raise RefusedError(answer.text or f"answered {answer.status}")
        self._wait = max(self._wait, _told(answer, self._clock.now()))
        raise AwayError(explained(answer))

    def _drop(self, samples: int, reason: str) -> None:
        self._telemetry.cluster_dropped.labels("repeated" if self._again else "refused").inc(samples)
        now = self._clock.monotonic()
        if not self._again and (self._told_refused is None or now - self._told_refused > _SILENCE):
            self._told_refused = now
            log.error("the cluster refuses samples; they are dropped", extra={"samples": samples, "reason": reason})

    def _well(self) -> None:
        if self.failing:
            log.info("the cluster takes samples again", extra={"waiting": self._queue.samples})
        self.failing, self.since, self._wait = "", None, 0.0

    def _ill(self, reason: str, now: datetime) -> None:
        self._telemetry.cluster_failures.inc()
        if self.failing != reason:
            log.warning("the cluster takes no samples; they wait on disk", extra={"reason": reason})
        self.failing, self.since = reason, self.since or now
        self._not_before = self._clock.monotonic() + max(_FIRST, self._wait)
        self._wait = min(_LONGEST, 2 * max(_FIRST, self._wait))

    @property
    def problem(self) -> str:
        if not self.failing:
            return ""
        since = f" since {from_millis(self._queue.oldest_ms):%H:%M:%S} UTC" if self._queue.oldest_ms else ""
        return f"the cluster takes no samples: {self.failing} ({self._queue.samples} wait on disk{since})"


def _halves(entries: list[bytes]) -> list[list[bytes]]:
    """As they go on a stack: the first half on top."""
    half = len(entries) // 2
    return [part for part in (entries[half:], entries[:half]) if part]


def _fitting(rows: Sequence[QueueRow]) -> list[QueueRow]:
    """The first rows that go into one request."""
    fitting, samples = [rows[0]], rows[0].samples
    for row in rows[1:]:
        samples += row.samples
        if samples > _JOINED_SAMPLES:
            break
        fitting.append(row)
    return fitting


def explained(answer: Answer) -> str:
    """What an answer that is no success says, and what to do about it."""
    advice = ADVICE.get(answer.status) or ("it redirects: give the final address" if 300 <= answer.status < 400 else "")
    return f"it answers {answer.status}: {advice or answer.text or 'nothing else'}"


def _told(answer: Answer, now: datetime) -> float:
    """Seconds that the cluster asks to be left alone."""
    text = answer.retry_after.strip()
    if text.isdecimal():
        return min(_LONGEST_TOLD, float(text))
    try:
        until = parsedate_to_datetime(text)
        return min(_LONGEST_TOLD, max(0.0, (until - now) / timedelta(seconds=1)))
    except (TypeError, ValueError, OverflowError):
        return 0.0
