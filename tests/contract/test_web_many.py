"""A fleet's worth of deployments and of viewers."""

import asyncio
from datetime import timedelta

from opsconsole.db import Database
from opsconsole.slas.settings import Sla
from opsconsole.slas.watch import SlaWatch
from opsconsole.web.console import Deployment
from opsconsole.web.settings import AuthSettings
from tests.support import scene, web
from tests.support.clock import NOON, FakeClock

OPEN = AuthSettings(mode="none")
LIVE = {"HX-Request": "true"}


async def test_viewers_who_all_look_again_at_once_share_what_is_read_for_them(db: Database) -> None:
    await scene.play(db, NOON)
    console = web.console(db, FakeClock(), list(scene.samples(NOON, timedelta(minutes=1))), auth=OPEN)
    async with web.client(web.application(console)) as browser:
        asked = web.Queries(db)
        alone = await browser.get("/", headers=LIVE)
        once, asked.count = asked.count, 0
        pages = await asyncio.gather(*(browser.get("/", headers=LIVE) for _ in range(40)))
        assert asked.count < 10 * once
    assert {page.text for page in pages} == {alone.text}


async def test_what_a_page_asks_of_the_database_does_not_grow_with_the_fleet(db: Database) -> None:
    await scene.play(db, NOON)
    counted: dict[int, list[int]] = {}
    for size in (2, 60):
        fleet = tuple(Deployment(f"a{n}", f"https://a{n}.example.com") for n in range(size))
        slas = [Sla(name="done in time", deployment=one.name, dags=("*",), max_duration="45m") for one in fleet]
        watch = SlaWatch(db, slas, [one.name for one in fleet], web.not_told, lambda deployment: None)
        await watch.step(NOON)
        console = web.console(db, FakeClock(), auth=OPEN, deployments=fleet, promised=watch.standing)
        asked = web.Queries(db)
        async with web.client(web.application(console)) as browser:
            for path in ("/", "/deployments/a1", "/slas", "/health/a1"):
                asked.count = 0
                answer = await browser.get(path)
                assert answer.status_code in (200, 503)
                counted.setdefault(size, []).append(asked.count)
    assert counted[2] == counted[60]
    assert max(counted[60]) < 20
