import asyncio

from opsconsole.web.api.events import stream
from opsconsole.web.changes import Changes


async def test_a_change_reaches_every_open_page_at_once() -> None:
    changes = Changes()
    first, second = stream(changes), stream(changes)
    for page in (first, second):
        assert await anext(page) == "retry: 2000\n\n"
    waiting = [anext(first), anext(second)]
    tasks = [asyncio.ensure_future(each) for each in waiting]
    await asyncio.sleep(0)
    changes.publish("alerts")
    assert await asyncio.gather(*tasks) == ["event: change\ndata: alerts\n\n"] * 2


async def test_without_a_change_the_page_still_looks_again_and_the_stream_ends_for_a_new_one() -> None:
    said = [event async for event in stream(Changes(), tick=0, ticks=2)]
    assert said == ["retry: 2000\n\n", "event: tick\ndata: -\n\n", "event: tick\ndata: -\n\n"]


async def test_the_console_can_end_every_stream_even_a_full_one() -> None:
    changes = Changes()
    with changes.listen() as queue:
        for _ in range(100):
            changes.publish("samples")
        assert queue.qsize() == 16
        changes.close()
        assert [queue.get_nowait() for _ in range(queue.qsize())][-1] is None
    assert [event async for event in stream(changes)] == ["retry: 2000\n\n"]
    assert changes.listeners == 0
