"""Samples on their way to a cluster: kept in the database until it has them, in order, on SQLite and PostgreSQL."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from opsconsole.cluster.encoding import packed
from opsconsole.cluster.querier import Careful, ClusterQuerier
from opsconsole.cluster.settings import Settings
from opsconsole.cluster.store import ClusterStore
from opsconsole.cluster.transport import Transport
from opsconsole.db import Database
from opsconsole.db.queue import remote_queue
from opsconsole.model import QueryError, Sample
from opsconsole.telemetry import Telemetry
from tests.support.clock import FakeClock
from tests.support.cluster import Receiver


class Console:
    """What a console has of it, in one process; `crash` and `start` again keep the database and the clock."""

    def __init__(self, db: Database, receiver: Receiver, **settings: Any) -> None:
        self.db, self.receiver, self.clock = db, receiver, FakeClock()
        self.settings = Settings(query_url="http://cluster", **settings)

    async def start(self) -> "Console":
        self.telemetry = Telemetry()
        transport = Transport(self.receiver.client(), self.settings)
        self.store = ClusterStore(self.db, transport, self.clock, self.telemetry, self.settings)
        self.rules = Careful(ClusterQuerier(transport, self.settings), self.store)
        await self.store.open()
        return self

    def collect(self, value: float, series: int = 3) -> None:
        """A sample of each series, a second after those before."""
        now = self.clock.tick(1)
        self.store.append([Sample.of("m", value, now, {"i": str(i)}) for i in range(series)])

    async def write(self) -> None:
        await self.store.flush(self.clock.now())

    async def send(self) -> None:
        await self.write()
        await self.store.send([None])

    async def send_until_empty(self) -> None:
        for _ in range(100):
            await self.send()
            if not await self.rows():
                return
            self.clock.tick(5)
        raise AssertionError("the queue does not empty")

    async def rows(self) -> int:
        """Rows on disk; what was delivered leaves with the next write."""
        await self.write()
        async with self.db.read() as session:
            return (await session.execute(sa.select(sa.func.count()).select_from(remote_queue))).scalar() or 0

    def counted(self, metric: str, **labels: str) -> float:
        return self.telemetry.registry.get_sample_value(f"opsconsole_cluster_{metric}", labels) or 0.0


async def console(db: Database, answers: Sequence[int | Exception] = (), **settings: Any) -> Console:
    return await Console(db, Receiver(answers), **settings).start()


async def test_what_is_collected_arrives_and_leaves_the_database(db: Database) -> None:
    one = await console(db)
    for value in range(5):
        one.collect(value)
        await one.send()
    assert [list(series.values()) for series in one.receiver.held.values()] == [[0, 1, 2, 3, 4]] * 3
    assert await one.rows() == 0
    assert (one.counted("sent_samples_total"), one.counted("queue_samples"), one.store.problem) == (15, 0, None)


async def test_whatever_is_not_the_samples_fault_is_tried_again(db: Database) -> None:
    failures = [500, 503, 429, 401, 403, 404, 302, httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]
    one = await console(db)
    for value, failure in enumerate(failures):
        one.receiver.answers = [failure, failure]
        one.collect(value)
        await one.send_until_empty()
    assert [list(series.values()) for series in one.receiver.held.values()] == [list(range(len(failures)))] * 3
    assert one.counted("send_failures_total") == 2 * len(failures)


async def test_it_waits_as_long_as_it_is_told_to(db: Database) -> None:
    one = await console(db, [429])
    one.receiver.headers = {"Retry-After": "60"}
    one.collect(1)
    for _ in range(59):
        await one.send()
        one.clock.tick(1)
    assert one.receiver.requests == 1
    one.clock.tick(1)
    await one.send()
    assert one.receiver.samples == 3


async def test_a_cluster_that_is_away_is_told_with_what_waits_and_since_when(db: Database) -> None:
    one = await console(db, [httpx.ConnectError("no route")] * 100)
    one.collect(1)
    await one.send()
    assert one.store.problem is None  # a moment is no matter
    one.clock.tick(16)
    await one.send()
    assert one.store.problem == "the cluster takes no samples: no route (3 wait on disk since 12:00:01 UTC)"
    one.receiver.answers = []
    one.clock.tick(30)
    await one.send()
    assert one.store.problem is None


async def test_what_a_person_can_mend_is_said(db: Database) -> None:
    for status, advice in ((401, "credentials"), (404, "--web.enable-remote-write-receiver")):
        one = await console(db, [status] * 100)
        one.collect(1)
        await one.send()
        one.clock.tick(16)
        assert advice in (one.store.problem or "")


async def test_rules_get_no_answer_while_samples_wait(db: Database) -> None:
    one = await console(db, [503] * 100)
    one.collect(1)
    await one.send()
    with pytest.raises(QueryError, match="lacks what was collected in the last 6 s: it answers 503"):
        await one.rules.instant("up", one.clock.tick(6))


async def test_a_refused_sample_costs_no_other_one(db: Database) -> None:
    one = await console(db)
    one.collect(0)
    await one.send()
    one.receiver.never = 13.0
    now = one.clock.tick(1)
    one.store.append([Sample.of("m", i, now, {"i": str(i)}) for i in range(100)])
    await one.send()
    assert one.receiver.samples == 3 + 99
    assert (one.counted("dropped_samples_total", reason="refused"), await one.rows()) == (1, 0)


async def test_a_late_sample_costs_no_other_one(db: Database) -> None:
    one = await console(db)
    one.collect(1)
    await one.send()
    now = one.clock.now()
    one.store.append([Sample.of("m", 9, now - timedelta(seconds=30), {"i": "0"}), Sample.of("new", 1, now)])
    await one.send()
    assert one.receiver.samples == 4
    assert one.counted("dropped_samples_total", reason="refused") == 1


async def test_where_not_even_an_empty_request_is_taken_nothing_is_dropped(db: Database) -> None:
    one = await console(db, [400] * 10)
    one.collect(1)
    await one.send()
    assert await one.rows() == 1
    await one.send_until_empty()
    assert (one.receiver.samples, one.counted("dropped_samples_total", reason="refused")) == (3, 0)


async def test_a_request_that_is_too_large_is_sent_in_parts(db: Database) -> None:
    one = await console(db)
    one.receiver.answers = [413, 204, 413, 413]  # the row, nothing, the halves
    now = one.clock.tick(1)
    one.store.append([Sample.of("m", 1, now, {"i": str(i)}) for i in range(8)])
    await one.send()
    assert (one.receiver.samples, one.receiver.answers, await one.rows()) == (8, [], 0)


async def test_a_crash_loses_nothing_that_was_written_down(db: Database) -> None:
    one = await console(db, [503] * 10)
    for value in range(3):
        one.collect(value)
        await one.send()
    one.receiver.answers = []
    await one.start()  # the one before was never closed
    assert one.counted("queue_samples") == 9
    one.collect(3)
    await one.send()
    assert [list(series.values()) for series in one.receiver.held.values()] == [[0, 1, 2, 3]] * 3


async def test_what_was_sent_just_before_a_crash_is_sent_again_and_harms_nothing(db: Database) -> None:
    one = await console(db)
    for value in range(3):
        one.collect(value)
        await one.write()
    await one.store.send([None])  # delivered, and not yet deleted
    await one.start()
    assert one.counted("queue_samples") == 9
    one.collect(3)
    await one.send_until_empty()
    assert [list(series.values()) for series in one.receiver.held.values()] == [[0, 1, 2, 3]] * 3
    assert one.counted("dropped_samples_total", reason="refused") == 0
    assert one.counted("dropped_samples_total", reason="repeated") == 6


async def test_the_last_samples_are_sent_on_the_way_out(db: Database) -> None:
    one = await console(db)
    one.collect(1)
    await one.store.close()
    assert (one.receiver.samples, await one.rows()) == (3, 0)


async def test_beyond_its_size_the_oldest_are_dropped_and_counted(db: Database) -> None:
    one = await console(db, [503] * 1000, queue_size=2**20)
    names = random.Random(1)
    for value in range(30):
        now = one.clock.tick(1)
        one.store.append([Sample.of("m", value, now, {"i": f"{names.getrandbits(256):x}"}) for _ in range(1000)])
        await one.send()
    dropped = one.counted("dropped_samples_total", reason="queue_full")
    assert dropped > 0
    assert dropped % 1000 == 0
    assert one.counted("queue_bytes") <= 2**20
    assert one.counted("queue_samples") == 30_000 - dropped
    assert "full" in (one.store.problem or "")
    one.receiver.answers = []
    await one.send_until_empty()
    assert one.receiver.samples == 30_000 - dropped
    assert min(value for series in one.receiver.held.values() for value in series.values()) == dropped / 1000
    assert one.store.problem is None


async def test_beyond_its_age_too(db: Database) -> None:
    one = await console(db, [503] * 1000, queue_age="1h")
    one.collect(0)
    await one.send()
    one.clock.tick(3500)
    one.collect(1)
    await one.send()
    one.clock.tick(200)
    await one.send()
    assert (one.counted("dropped_samples_total", reason="queue_full"), one.counted("queue_samples")) == (3, 3)


async def test_a_damaged_row_costs_only_itself(db: Database) -> None:
    one = await console(db, [503] * 10)
    for value in range(3):
        one.collect(value)
        await one.send()
    async with db.begin() as session:
        await session.execute(remote_queue.update().where(remote_queue.c.id == 2).values(data=b"\x05junk"))

    def answer(request: httpx.Request) -> httpx.Response:
        junk = request.content == b"\x05junk"
        return httpx.Response(400, text="snappy: corrupt input") if junk else one.receiver.answer(request)

    one.receiver.answers = []
    one.receiver.client = lambda: httpx.AsyncClient(transport=httpx.MockTransport(answer))  # type: ignore[method-assign]
    await one.start()
    await one.send_until_empty()
    assert [list(series.values()) for series in one.receiver.held.values()] == [[0, 2]] * 3
    assert one.counted("dropped_samples_total", reason="refused") + one.counted("dropped_samples_total", reason="repeated") == 3


async def test_while_the_database_will_not_samples_wait_in_memory(db: Database) -> None:
    one = await console(db)
    async with db.begin() as session:
        await session.execute(sa.text("alter table remote_queue rename to elsewhere"))
    for value in range(3):
        one.collect(value)
        await one.write()
    assert "9 samples wait in memory" in (one.store.problem or "")
    with pytest.raises(sa.exc.SQLAlchemyError):
        await one.store.commit(one.clock.now())
    async with db.begin() as session:
        await session.execute(sa.text("alter table elsewhere rename to remote_queue"))
    await one.send()
    assert one.store.problem is None
    assert [list(series.values()) for series in one.receiver.held.values()] == [[0, 1, 2]] * 3


async def test_of_two_consoles_with_one_database_the_newer_one_sends(db: Database) -> None:
    older = await console(db)
    newer = await console(db)
    older.collect(1)
    await older.send()
    assert "another console has opened" in (older.store.problem or "")
    newer.collect(2)
    await newer.send()
    assert (older.receiver.samples, newer.receiver.samples) == (0, 3)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_everything_that_was_written_down_arrives(db: Database, seed: int) -> None:
    dice = random.Random(seed)
    one = await console(db)
    values = 0
    for _ in range(40):
        for _ in range(dice.randint(0, 3)):
            one.collect(values)
            values += 1
        match dice.randrange(6):
            case 0:
                await one.write()
                await one.start()
            case 1:
                one.receiver.answers.append(dice.choice([500, 429, httpx.ReadError("cut"), httpx.ConnectError("away")]))
                await one.send()
            case 2:
                await one.write()
            case _:
                one.clock.tick(dice.choice([0, 1, 10]))
                await one.send()
    one.receiver.answers = []
    await one.send_until_empty()
    assert [sorted(series.values()) for series in one.receiver.held.values()] == [list(range(values))] * 3
    assert one.counted("dropped_samples_total", reason="refused") == 0


def test_an_empty_request_is_one_byte() -> None:
    assert packed(()) == b"\x00"
