"""A deployment that left is ended once the metrics can be asked."""

from datetime import datetime, timedelta

from opsconsole.collectors.departed import Departed
from opsconsole.model import STALE_NAN_BITS, Labels, Point, QueryError, QueryResult, Sample
from tests.support.clock import NOON
from tests.support.cluster import bits


class Cluster:
    """Away at first; `asked` is how often it was asked."""

    def __init__(self) -> None:
        self.away, self.asked = True, 0

    async def instant(self, expr: str, at: datetime) -> QueryResult:
        self.asked += 1
        if self.away:
            raise QueryError("the metrics cluster does not answer", "unavailable")
        return QueryResult("vector", [Point(Labels(__name__="up", deployment="gone"), 0, 1.0)])

    async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        raise NotImplementedError


async def test_it_is_asked_until_it_answers_and_then_no_more() -> None:
    cluster, recorded = Cluster(), list[Sample]()
    departed = Departed(cluster, recorded.extend, ["prod"])
    await departed.step(NOON)
    assert (recorded, cluster.asked) == ([], 1)
    cluster.away = False
    await departed.step(NOON)
    [sample] = recorded
    assert (sample.name, sample.labels, bits(sample.value)) == ("up", Labels(deployment="gone"), STALE_NAN_BITS)
    asked = cluster.asked
    await departed.step(NOON)
    assert cluster.asked == asked
