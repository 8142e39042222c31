"""Crashes at random moments while Slack fails at random: no state change is lost, and no message is repeated."""

import asyncio
import random

import pytest

from opsconsole.db import Database
from tests.support.alerting import SCHEDULER, Bench, bench, finding
from tests.support.clock import FakeClock
from tests.support.slack import TOKEN, slack_at


async def crash(b: Bench, after: float) -> None:
    """The process dies while a step may be under way."""
    stepping = asyncio.create_task(b.pass_time(1))
    await asyncio.sleep(after)
    stepping.cancel()
    await asyncio.gather(stepping, return_exceptions=True)
    await b.courier.close()
    b.restarted()
    await b.open()


async def settled(b: Bench) -> None:
    """What a dead process had claimed is free again, and what was still to fail has failed."""
    await b.pass_time(60)
    for _ in range(900):
        if all(row.state != "owed" for row in await b.rows()):
            return
        await b.pass_time(1)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_crashes_lose_nothing_and_repeat_nothing(db: Database, seed: int) -> None:
    dice = random.Random(seed)
    labels = [SCHEDULER.merged({"dag_id": f"d{n}"}) for n in range(4)]
    clock = FakeClock()
    async with slack_at(clock) as (slack, url):
        receiver = {"name": "r", "slack": {"token": TOKEN, "channel": "#a", "api_url": f"{url}/api/"}}
        async with bench(db, receiver, clock=clock) as b:
            crashes = 0
            for n in range(40):
                if n % 10 == 0:
                    await b.say(*(finding(one) for one in labels))
                if n == 35:
                    await b.say()
                if dice.random() < 0.3:
                    slack.fail(dice.choice([500, 429, "internal_error"]))
                if dice.random() < 0.25:
                    crashes += 1
                    await crash(b, dice.random() / 20)
                else:
                    await b.pass_time(1)
            await settled(b)
            assert {row.state for row in await b.rows()} <= {"sent", "superseded"}
            assert all(row.closed_at for row in await b.incidents())
            assert len(await b.incidents()) == len(labels)
            ended = [message for message in slack.shown if "[RESOLVED]" in message.text]
            assert len(ended) == len(labels), "every incident's message says how it ended"
            assert len(slack.shown) == len(labels), f"one message an incident, through {crashes} crashes"
