"""Writing what alerts come to: their episodes' rows and the history of their states, in one transaction with what causes it."""

from collections.abc import Callable, Sequence

from opsconsole import db
from opsconsole.alerts.groups import Held
from opsconsole.model import Alert, Transition

Refreshed = Sequence[tuple[Held, Alert]]


async def write(
    session: db.Session, transitions: Sequence[Transition], refreshed: Refreshed, known: Callable[[Transition], Held]
) -> list[int]:
    """Write transitions and refreshed alerts; answers each transition's alert row."""
    begun = await db.alerts.add(session, [c.alert for c in transitions if c.alert and c.before is None])
    fresh = iter(begun)
    ids = [next(fresh) if change.before is None else known(change).id for change in transitions]
    pairs = list(zip(ids, transitions, strict=True))
    await db.alerts.save(session, [(row_id, c.alert) for row_id, c in pairs if c.alert and c.before is not None])
    await db.alerts.save(session, [(held.id, alert) for held, alert in refreshed if not _only_lasts(held.alert, alert)])
    await db.alerts.prolong(session, [(held.id, alert) for held, alert in refreshed if _only_lasts(held.alert, alert)])
    await db.alerts.note(session, [(row_id, change) for row_id, change in pairs if change.alert])
    await db.alerts.forget(session, [row_id for row_id, change in pairs if change.alert is None])
    return ids


def _only_lasts(before: Alert, after: Alert) -> bool:
    """Whether a posted alert was posted again as it was."""
    same = before.annotations == after.annotations and before.generator_url == after.generator_url
    return after.ends_at is not None and same and before.active_at == after.active_at
