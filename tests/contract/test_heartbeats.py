"""Checks from the configuration to findings, on both databases."""

from datetime import datetime, timedelta
from typing import Any

from opsconsole.alerts.routing import longest_wait
from opsconsole.db import Database, checks
from opsconsole.db.checks import Check, Ping
from opsconsole.heartbeats.keeping import configure, keep
from opsconsole.heartbeats.settings import Settings
from opsconsole.heartbeats.watch import HeartbeatWatch
from opsconsole.model import Sample, Verdict
from tests.support.alerting import bench
from tests.support.clock import NOON
from tests.support.webhook import hook_at

MINUTE = timedelta(minutes=1)


def settings(*slugs: str, **more: Any) -> Settings:
    checks = [{"slug": slug, "period": "5m", "grace": "2m", "tags": ["canary"], "deployment": "prod"} | more for slug in slugs]
    return Settings.model_validate({"checks": checks})


class Watched:
    """A watch, and everything that it said."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.verdicts: list[Verdict] = []
        self.samples: list[Sample] = []
        self.db = db
        self.watch = HeartbeatWatch(db, settings, self._take, self.samples.extend)

    async def _take(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    async def at(self, now: datetime) -> list[str]:
        await self.watch.step(now)
        return [finding.labels["alertname"] for finding in self.verdicts[-1].findings]

    async def ping(self, slug: str, at: datetime, kind: str = "success", **more: Any) -> None:
        async with self.db.begin() as session:
            check = await checks.by_slug(session, slug)
            assert check is not None
            await keep(session, check, Ping(at=at, kind=kind, method="GET", **more))


async def test_silence_is_found_and_the_next_ping_ends_it(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON + MINUTE)
    assert await far.at(NOON + 7 * MINUTE) == []
    assert await far.at(NOON + 8 * MINUTE) == ["HeartbeatMissed"]
    assert far.verdicts[-1].scope == "heartbeats"
    assert far.verdicts[-1].findings[0].since == NOON + 8 * MINUTE
    await far.ping("canary", NOON + 9 * MINUTE, "fail")
    assert await far.at(NOON + 9 * MINUTE) == ["HeartbeatFailed"]
    await far.ping("canary", NOON + 10 * MINUTE)
    assert await far.at(NOON + 10 * MINUTE) == []


async def test_a_failure_tells_its_exit_status_and_what_its_body_ends_with(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    body = b"Traceback\n  \xff\x00\nKeyError: 'id' at https://me:secret-word@db/\n\n"
    await far.ping("canary", NOON + MINUTE, "fail", exit_status=3, body=body)
    await far.ping("canary", NOON + 2 * MINUTE, "fail", exit_status=4)
    await far.at(NOON + 2 * MINUTE)
    [finding] = far.verdicts[-1].findings
    assert finding.annotations["summary"] == "canary reported exit status 3 at 2026-03-01 12:01:00 UTC"
    assert finding.annotations["error"] == "KeyError: 'id' at https://***@db/"
    await far.at(NOON + 9 * MINUTE)
    assert far.verdicts[-1].findings == (finding,)


SECOND = timedelta(seconds=1)


async def test_a_failure_that_a_success_follows_before_anybody_looked_is_still_found(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON + SECOND / 4, "fail", exit_status=3, body=b"KeyError: 'id'")
    await far.ping("canary", NOON + SECOND / 2)
    assert await far.at(NOON + SECOND) == ["HeartbeatFailed"]
    [finding] = far.verdicts[-1].findings
    assert finding.since == NOON + SECOND / 4
    assert finding.annotations["summary"] == (
        "canary reported exit status 3 at 2026-03-01 12:00:00 UTC, and success at 2026-03-01 12:00:00 UTC"
    )
    assert finding.annotations["error"] == "KeyError: 'id'"
    assert [sample.value for sample in far.samples if sample.name == "opsconsole_heartbeat_up"] == [1.0]
    assert await far.at(NOON + 15 * SECOND) == ["HeartbeatFailed"]
    assert await far.at(NOON + 16 * SECOND) == []


async def test_a_failure_that_a_success_follows_at_once_is_told_with_its_end(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        stands = longest_wait(b.settings) + 10 * SECOND
        watch = HeartbeatWatch(db, settings("canary"), b.keeper.take, lambda samples: None, stands)
        await watch.open(b.clock.now())
        async with db.begin() as session:
            for kind in ("fail", "success"):
                check = await checks.by_slug(session, "canary")
                assert check is not None
                await keep(session, check, Ping(at=b.clock.now(), kind=kind, method="GET"))
        for _ in range(30):
            await watch.step(b.clock.now() + SECOND)
            await b.pass_time(1)
        assert [body["status"] for body in hook.bodies] == ["firing", "resolved"]


async def test_a_failure_that_was_found_for_long_enough_ends_with_the_success(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON, "fail")
    assert await far.at(NOON + SECOND) == ["HeartbeatFailed"]
    await far.ping("canary", NOON + MINUTE)
    assert await far.at(NOON + MINUTE) == []


async def test_a_failure_and_success_before_a_crash_are_found_after_it_and_only_once(db: Database) -> None:
    before = Watched(db, settings("canary"))
    await before.watch.open(NOON)
    await before.at(NOON)
    await before.ping("canary", NOON + SECOND, "fail")
    await before.ping("canary", NOON + SECOND)
    after = Watched(db, settings("canary"))
    await after.watch.open(NOON + 5 * MINUTE)
    assert await after.at(NOON + 5 * MINUTE) == ["HeartbeatFailed"]
    await after.ping("canary", NOON + 5 * MINUTE)
    assert await after.at(NOON + 5 * MINUTE + 15 * SECOND) == []
    last = Watched(db, settings("canary"))
    await last.watch.open(NOON + 5 * MINUTE + 16 * SECOND)
    assert await last.at(NOON + 5 * MINUTE + 16 * SECOND) == []


async def test_a_paused_check_says_nothing_of_its_failure(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON, "fail")
    await far.ping("canary", NOON)
    async with db.begin() as session:
        await session.execute(checks.checks.update().values(paused=True))
    assert await far.at(NOON + SECOND) == []


async def test_samples_come_every_quarter_minute_and_at_every_change(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON)
    for second in range(0, 31):
        await far.at(NOON + timedelta(seconds=second))
    ups = [sample for sample in far.samples if sample.name == "opsconsole_heartbeat_up"]
    assert [(sample.at - NOON).seconds for sample in ups] == [0, 15, 30]
    far.samples.clear()
    await far.at(NOON + 7 * MINUTE)
    assert far.samples[0].value == 0.0
    assert dict(far.samples[0].labels) == {"slug": "canary", "deployment": "prod"}


async def test_a_restart_keeps_what_was_told_and_excuses_what_it_could_not_hear(db: Database) -> None:
    before = Watched(db, settings("told", "unheard"))
    await before.watch.open(NOON)
    await before.ping("told", NOON)
    await before.ping("unheard", NOON + MINUTE)
    assert await before.at(NOON + 7 * MINUTE) == ["HeartbeatMissed"]
    after = Watched(db, settings("told", "unheard"))
    await after.watch.open(NOON + 30 * MINUTE)
    await after.at(NOON + 30 * MINUTE)
    assert [(finding.labels["slug"], finding.since) for finding in after.verdicts[-1].findings] == [("told", NOON + 7 * MINUTE)]
    await after.at(NOON + 32 * MINUTE)
    assert [finding.labels["slug"] for finding in after.verdicts[-1].findings] == ["told", "unheard"]


async def test_a_check_keeps_its_address_and_its_pings_when_its_settings_change(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON)
    async with db.read() as session:
        [before] = await checks.all_checks(session)
    await far.watch.reconfigure(settings("canary", period="10m", name="The canary"), NOON + MINUTE)
    async with db.read() as session:
        [after] = await checks.all_checks(session)
    assert (after.uuid, after.pings, after.created_at) == (before.uuid, 1, NOON)
    assert (after.period, after.name) == (10 * MINUTE, "The canary")


async def test_a_check_that_leaves_the_configuration_rests_and_comes_back_with_its_history(db: Database) -> None:
    far = Watched(db, settings("canary", "other"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON)
    await far.watch.reconfigure(settings("other"), NOON + MINUTE)
    await far.at(NOON + 60 * MINUTE)
    assert [finding.labels["slug"] for finding in far.verdicts[-1].findings] == ["other"]
    async with db.begin() as session:
        assert await checks.by_slug(session, "canary") is None
    await far.watch.reconfigure(settings("canary", "other"), NOON + 60 * MINUTE)
    await far.at(NOON + 66 * MINUTE)
    assert [finding.labels["slug"] for finding in far.verdicts[-1].findings] == ["other"]
    await far.at(NOON + 67 * MINUTE)
    assert [finding.labels["slug"] for finding in far.verdicts[-1].findings] == ["canary", "other"]
    async with db.read() as session:
        assert [check.pings for check in await checks.all_checks(session)] == [1, 0]


async def test_a_start_after_a_missed_deadline_stays_an_alarm(db: Database) -> None:
    far = Watched(db, settings("canary"))
    await far.watch.open(NOON)
    await far.ping("canary", NOON)
    await far.ping("canary", NOON + 20 * MINUTE, "start")
    assert await far.at(NOON + 21 * MINUTE) == ["HeartbeatMissed"]


async def test_an_empty_configuration_is_quiet(db: Database) -> None:
    async with db.begin() as session:
        await configure(session, Settings(), NOON)
    far = Watched(db, Settings())
    await far.watch.open(NOON)
    assert await far.at(NOON) == []


async def test_a_check_that_changed_in_any_way_is_told_apart_from_before(db: Database) -> None:
    far = Watched(db, settings("canary", "other"))
    await far.watch.open(NOON)
    after: dict[str, Any] = {
        "name": "N",
        "deployment": "D",
        "tags": ["t"],
        "period": 9.0,
        "schedule": "* * * * *",
        "timezone": "X",
    }
    after |= {
        "grace": 3.0,
        "paused": True,
        "created_at": NOON + MINUTE,
        "pings": 2,
        "last_ping_at": NOON,
        "last_success_at": NOON,
    }
    after |= {"last_fail_at": NOON, "last_start_at": NOON, "last_start_rid": "r", "last_kind": "fail", "last_duration": 1.0}
    after |= {"last_remote": "h", "down_since": NOON, "uuid": "u", "slug": "another"}
    assert {*after, "id"} == set(Check.__slots__)
    for name, value in after.items():
        async with db.begin() as session:
            before = await checks.kept_checks(session)
            [changed] = [check.id for check in await checks.all_checks(session) if check.slug != "other"]
            await session.execute(checks.checks.update().where(checks.checks.c.id == changed).values({name: value}))
            kept = await checks.kept_checks(session)
            assert [key for key, row in kept.items() if before[key] != row] == [changed]
            new = await checks.checks_by_id(session, kept)
            assert [new[key] for key in kept] == await checks.all_checks(session)
