import asyncio

import pytest

from opsconsole.web.together import Together


class Work:
    """Answers with its number once it is let go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = 0, asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        if number == 3:
            raise ValueError("the third")
        return number


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_while_it_is_under_way_shares_the_next() -> None:
    work, together = Work(), Together[int]()
    first = asyncio.create_task(together.do("page", work))
    await settled()
    others = [asyncio.create_task(together.do("page", work)) for _ in range(9)]
    await settled()
    assert work.begun == 1
    work.go_on.set()
    assert await first == 1
    assert await asyncio.gather(*others) == [2] * 9


async def test_nothing_is_kept_for_who_asks_later() -> None:
    work, together = Work(), Together[int]()
    work.go_on.set()
    assert [await together.do("page", work), await together.do("page", work)] == [1, 2]


async def test_another_page_does_not_wait() -> None:
    work, quick, together = Work(), Work(), Together[int]()
    quick.go_on.set()
    slow = asyncio.create_task(together.do("page", work))
    await settled()
    assert await together.do("other", quick) == 1
    work.go_on.set()
    await slow


async def test_all_who_shared_it_are_told_that_it_failed_and_the_next_is_tried_anew() -> None:
    work, together = Work(), Together[int]()
    work.begun = 1
    first = asyncio.create_task(together.do("page", work))
    await settled()
    others = [asyncio.create_task(together.do("page", work)) for _ in range(3)]
    await settled()
    work.go_on.set()
    assert await first == 2
    for other in others:
        with pytest.raises(ValueError, match="the third"):
            await other
    assert await together.do("page", work) == 4


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    work, together = Work(), Together[int]()
    first = asyncio.create_task(together.do("page", work))
    await settled()
    others = [asyncio.create_task(together.do("page", work)) for _ in range(2)]
    await settled()
    first.cancel()
    work.go_on.set()
    assert await asyncio.gather(*others) == [2, 2]
