"""Remote write as a sender sees it: what is acknowledged is durable, what is refused is named, and the rest is kept."""

import asyncio
import struct
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from opsconsole.clock import millis
from opsconsole.db import Database
from opsconsole.model import STALE, STALE_NAN_BITS, Matcher, MatchOp
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from opsconsole.web.api import remote_write
from opsconsole.web.settings import AuthSettings
from tests.support import remote_write as made
from tests.support import web
from tests.support.clock import NOON, FakeClock
from tests.support.remote_write import HEADERS, Sent

AT = millis(NOON)
PATH = "/prometheus/api/v1/write"
KEYS = {"operator": "a-key-of-an-operator", "viewer": "a-key-of-a-viewer"}


class World:
    """A console with a store behind it, and a sender."""

    def __init__(self, db: Database, **settings: Any) -> None:
        self.db, self.clock, self._settings, self.telemetry = db, FakeClock(), Settings(**settings), Telemetry()

    async def open(self) -> "World":
        keys = [{"name": role, "key": key, "role": role} for role, key in KEYS.items()]
        auth = AuthSettings.model_validate({"api_keys": keys})
        self.store = self._store()
        await self.store.open()
        self.console = web.console(self.db, self.clock, auth=auth, store=self.store)
        self.http = web.client(web.application(self.console))
        return self

    def _store(self) -> Store:
        return Store(self.db, self.clock, self.telemetry, self._settings)

    async def send(self, body: bytes, role: str = "operator", **headers: str) -> httpx.Response:
        more = {"Authorization": f"Bearer {KEYS[role]}", **HEADERS, **headers}
        return await self.http.post(PATH, content=body, headers={k: v for k, v in more.items() if v})

    async def write(self, *sent: Sent, more: bytes = b"") -> httpx.Response:
        return await self.send(made.compressed(made.request(sent, more)))

    async def stored(self, name: str) -> dict[str, list[tuple[int, int]]]:
        """What a console started now would find: by labels, each sample's time and bits."""
        beside = self._store()
        await beside.open(read_only=True)
        found = await beside.select([Matcher("__name__", MatchOp.EQUAL, name)], 0, 2**62)
        return {
            repr(one.labels.without("__name__")): list(zip(one.timestamps.tolist(), one.values.view("<u8").tolist(), strict=True))
            for one in found
        }


@pytest.fixture
async def world(db: Database) -> World:
    return await World(db).open()


def bits(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


def named(name: str, value: float = 1.0, at: int = AT, **labels: str) -> Sent:
    return Sent([("__name__", name), *labels.items()], [(value, at)])


async def test_what_is_acknowledged_is_there_after_a_crash(world: World) -> None:
    answer = await world.write(
        named("up", 1.0, deployment="prod", job="a"), named("up", 0.0, job="b"), named("up", STALE, job="c")
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert await world.stored("up") == {
        '{deployment="prod", job="a"}': [(AT, bits(1.0))],
        '{deployment="unassigned", job="b"}': [(AT, 0)],
        '{deployment="unassigned", job="c"}': [(AT, STALE_NAN_BITS)],
    }


async def test_the_same_again_is_no_news_and_another_value_is_refused_beside_what_is_kept(world: World) -> None:
    assert (await world.write(named("up"))).status_code == 204
    assert (await world.write(named("up"))).status_code == 204
    answer = await world.write(named("up", 2.0), named("fresh", 3.0), named("up", 4.0, AT - 60_000))
    assert answer.status_code == 400
    assert answer.text == "1 sample refused, duplicate sample for timestamp: another value stands there\n"
    [up] = (await world.stored("up")).values()
    assert up == [(AT - 60_000, bits(4.0)), (AT, bits(1.0))]
    assert len(await world.stored("fresh")) == 1


async def test_samples_older_than_the_retention_or_of_tomorrow_are_refused(world: World) -> None:
    answer = await world.write(
        named("m", 1.0, millis(NOON - timedelta(days=31))), named("m", 2.0, millis(NOON + timedelta(minutes=11))), named("m", 3.0)
    )
    assert answer.status_code == 400
    assert "1 sample refused, out of bounds: older" in answer.text
    assert "1 sample refused, out of bounds: timestamp is too far in the future" in answer.text
    assert list((await world.stored("m")).values()) == [[(AT, bits(3.0))]]


async def test_history_is_taken_where_the_retention_lets_it(db: Database) -> None:
    world = await World(db, retention=timedelta(days=50 * 365)).open()
    august = 967_766_400_000
    sent = [Sent([("__name__", "m"), ("n", str(n))], [(float(i), august + i * 60_000)]) for n in range(3) for i in (2, 0, 1)]
    assert (await world.write(*sent)).status_code == 204
    assert list((await world.stored("m")).values()) == [[(august + i * 60_000, bits(float(i))) for i in range(3)]] * 3


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([("job", "a")], "no metric name"),
        ([("__name__", "m"), ("a", "1"), ("a", "2")], "'a' is not unique"),
        ([("__name__", "m"), ("", "1")], "a label has no name"),
        ([("__name__", "m"), ("a", b"\xff")], "not UTF-8"),
        ([("__name__", "m"), ("a", "x" * 10_000_000)], "more than 65,536 bytes"),
    ],
)
async def test_a_series_that_cannot_be_is_named_and_the_others_are_kept(world: World, labels: made.Pairs, why: str) -> None:
    answer = await world.write(Sent(labels, [(1.0, AT)]), named("good"))
    assert answer.status_code == 400
    assert why in answer.text
    assert len(answer.text) < 300
    assert len(await world.stored("good")) == 1
    assert await world.stored("m") == {}


async def test_labels_in_any_order_are_one_series_and_an_empty_one_is_none(world: World) -> None:
    orders = ([("b", "2"), ("__name__", "m"), ("a", "1")], [("__name__", "m"), ("a", "1"), ("b", "2"), ("c", "")])
    answer = await world.write(*(Sent(labels, [(1.0, AT + i)]) for i, labels in enumerate(orders)))
    assert answer.status_code == 204
    assert list(await world.stored("m")) == ['{a="1", b="2", deployment="unassigned"}']


async def test_more_series_than_a_deployment_may_have_are_refused_and_others_are_not(db: Database) -> None:
    world = await World(db, max_series_per_deployment=2).open()
    answer = await world.write(*(named("m", n=str(n), deployment="a") for n in range(5)), named("m", deployment="b"))
    assert answer.status_code == 400
    assert "3 samples refused, of new series where a deployment has as many as it may" in answer.text
    assert len(await world.stored("m")) == 3


async def test_more_deployments_than_there_may_be_are_refused_but_for_those_that_are_configured(db: Database) -> None:
    world = await World(db, max_deployments=2, known_deployments=frozenset({"prod"})).open()
    answer = await world.write(*(named("m", deployment=f"invented-{n}") for n in range(5)))
    assert answer.status_code == 400
    assert answer.text == (
        "3 samples refused, of new deployments where there are as many as may be (storage.metrics.max_deployments)\n"
    )
    assert (await world.write(named("m", deployment="prod"), named("m"), named("n", deployment="invented-1"))).status_code == 204
    assert len(await world.stored("m")) == 4
    assert world.store.problem == (
        "there are as many deployments as may be (2), samples of new ones are refused, such as 'invented-4'"
    )
    assert (
        world.telemetry.registry.get_sample_value("opsconsole_store_dropped_samples_total", {"reason": "deployment_limit"}) == 3
    )
    again = await world.write(named("m", 2.0, AT + 1, deployment="invented-3"), named("m", 2.0, AT + 1, deployment="prod"))
    assert again.text.startswith("1 sample refused, of new deployments")


async def test_exemplars_and_native_histograms_are_left_out_and_counted(world: World) -> None:
    more = made.message(3, b"\x09" + bytes(8)) + made.message(4, b"\x08\x01")
    body = made.series(named("m"), more) + made.metadata("m", 1, "How many.", "")
    assert (await world.send(made.compressed(body))).status_code == 204
    left_out = world.console.telemetry.registry.get_sample_value
    assert left_out("opsconsole_remote_write_left_out_total", {"kind": "exemplar"}) == 1
    assert left_out("opsconsole_remote_write_left_out_total", {"kind": "native_histogram"}) == 1
    assert [tuple(one) for one in world.console.metadata.of("m")] == [("counter", "How many.", "")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 415),
        ({"Content-Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, 204),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Encoding": "zstd"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "", "Content-Encoding": ""}, 204),
    ],
)
async def test_other_versions_and_encodings_are_refused(world: World, headers: dict[str, str], status: int) -> None:
    assert (await world.send(made.of({"m": 1.0}, AT), **headers)).status_code == status


async def test_whoever_may_not_write_writes_nothing(world: World) -> None:
    body = made.of({"m": 1.0}, AT)
    assert (await world.send(body, "viewer")).status_code == 403
    assert (await world.send(body, Authorization="Bearer nonsense")).status_code == 401
    assert (await world.send(body, Authorization="")).status_code == 401
    assert (await world.http.get(PATH)).status_code == 405
    assert await world.stored("m") == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not snappy at all", 400),
        (b"\xff" * 20, 400),
        (made.of({"m": 1.0}, AT)[:-3], 400),
        (made.compressed(b"\x0a\x05ab"), 400),
        (made.varint(2**31) + b"\xfe\x01\x00" * 100_000, 413),
        (made.varint(60 * 2**20) + b"\x00a", 400),
        (b"x" * (remote_write.MOST_SENT + 1), 413),
    ],
    ids=["empty", "text", "noise", "cut", "no-message", "bomb", "lie", "huge"],
)
async def test_what_cannot_be_read_is_refused_and_the_next_is_taken(world: World, body: bytes, status: int) -> None:
    answer = await world.send(body)
    assert answer.status_code == status
    assert len(answer.text) < 300
    assert (await world.write(named("m"))).status_code == 204


async def test_a_database_that_does_not_take_it_is_told_and_the_same_may_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.console.store
    assert store is not None
    commit = store.commit

    async def away(now: object) -> None:
        raise sa.exc.OperationalError("insert", {}, OSError("disk full"))

    monkeypatch.setattr(store, "commit", away)
    refused = await world.write(named("m"))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert await world.stored("m") == {}
    monkeypatch.setattr(store, "commit", commit)
    assert (await world.write(named("m"))).status_code == 204
    assert list((await world.stored("m")).values()) == [[(AT, bits(1.0))]]


async def test_more_than_may_wait_is_to_be_sent_again(db: Database) -> None:
    world = await World(db, max_pending_samples=1000).open()
    answer = await world.write(*(named("m", n=str(n)) for n in range(1500)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    again = await world.write(*(named("m", n=str(n)) for n in range(1000, 1500)))
    assert again.status_code == 204
    assert len(await world.stored("m")) == 1500


async def test_a_console_that_another_has_followed_acknowledges_nothing(world: World) -> None:
    assert (await world.write(named("m"))).status_code == 204
    await Store(world.db, world.clock, Telemetry(), Settings()).open()
    assert (await world.write(named("m", 2.0, AT + 1))).status_code == 503


async def test_many_senders_at_once_all_find_what_they_sent(world: World) -> None:
    answers = await asyncio.gather(*(world.write(*(named("m", n=f"{i}-{n}") for n in range(20))) for i in range(30)))
    assert {answer.status_code for answer in answers} == {204}
    assert len(await world.stored("m")) == 600
