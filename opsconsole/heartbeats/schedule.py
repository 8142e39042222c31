"""When a cron schedule next comes round."""

import functools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


@functools.lru_cache(maxsize=4096)
def next_time(schedule: str, timezone: str, after: datetime | None) -> datetime:
    """The first time after `after` (any day, where None). Through clock changes it goes as Debian's cron goes.

    Raises ValueError for an expression that is wrong or never comes round.
    """
    try:
        local = (after or _ANY_DAY).astimezone(ZoneInfo(timezone))
        return next(CronSim(schedule, local)).astimezone(UTC)
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"{schedule!r} is not a cron expression: write it like 0 5 * * *") from error
