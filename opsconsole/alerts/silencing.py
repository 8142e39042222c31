"""The silences there are: in the database, and in memory for whoever asks which of them hold for some labels."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsconsole import db
from opsconsole.alerts.cleaning import fit_text
from opsconsole.alerts.matchers import Condition
from opsconsole.alerts.silence_rules import UnknownSilence, check, expire, set_silence
from opsconsole.clock import Clock
from opsconsole.model import Labels, Matcher, MatchOp, Silence, SilenceState

RETENTION = timedelta(hours=120)
"""How long a silence that is over can still be looked up, as Alertmanager's `--data.retention` has it."""
_ANYTHING = ("", "")


class Silences:
    """Every silence. A change is committed before memory and its caller hear of it; `on_change` hears after."""

    def __init__(self, database: db.Database, clock: Clock, on_change: Callable[[], None] = lambda: None) -> None:
        self._db, self._clock, self._on_change = database, clock, on_change
        self._kept: dict[str, Silence] = {}
        self._index = _Index(())
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Load what was committed."""
        async with self._lock, self._db.read() as session:
            self._kept = {silence.id: silence for silence in await db.silences.kept(session)}
            self._index = _Index(self._kept.values())

    async def create(
        self, matchers: Sequence[Matcher], starts_at: datetime, ends_at: datetime, created_by: str, comment: str
    ) -> str:
        """A new silence's id, once it is committed. Raises SilenceError."""
        return await self.set(Silence("", tuple(matchers), starts_at, ends_at, created_by, comment, starts_at))

    async def edit(self, silence: Silence) -> str:
        """Make the silence of this id what is given; answers the id that it has now. Raises SilenceError, UnknownSilence."""
        return await self.set(silence)

    async def set(self, wanted: Silence) -> str:
        """Both: a new one where the id is empty. An edit that cannot be ends the silence all the same, as in Alertmanager."""
        wanted = _cleaned(wanted)
        async with self._lock:
            now = self._clock.now()
            before = self._kept.get(wanted.id)
            if wanted.id and before is None:
                raise UnknownSilence
            edit = set_silence(before, wanted, str(uuid.uuid4()), now)
            if edit.expired is not None:
                await self._commit(edit.expired)
            check(edit.kept)
            await self._commit(edit.kept)
        return edit.kept.id

    async def expire(self, silence_id: str) -> None:
        """End it now; one that is over stays as it is. Raises UnknownSilence."""
        async with self._lock:
            now = self._clock.now()
            if (silence := self._kept.get(silence_id)) is None:
                raise UnknownSilence
            if (ended := expire(silence, now)) is not silence:
                await self._commit(ended)

    async def prune(self, now: datetime) -> None:
        """Forget silences that have been over for longer than `RETENTION`."""
        async with self._lock:
            before = now - RETENTION
            if all(silence.ends_at >= before for silence in self._kept.values()):
                return
            async with self._db.begin() as session:
                await db.silences.prune(session, before)
            self._kept = {silence.id: silence for silence in self._kept.values() if silence.ends_at >= before}
            self._index = _Index(self._kept.values())

    def every(self) -> list[Silence]:
        """Those that are over included, in no order."""
        return list(self._kept.values())

    def get(self, silence_id: str) -> Silence | None:
        return self._kept.get(silence_id)

    def active(self, now: datetime) -> list[Silence]:
        return [silence for silence in self._kept.values() if silence.state(now) is SilenceState.ACTIVE]

    def by_labels(self, labels: Labels, now: datetime) -> tuple[str, ...]:
        """Ids of the silences that hold for these labels now, sorted."""
        return self._index.fitting(labels, now)

    async def _commit(self, silence: Silence) -> None:
        async with self._db.begin() as session:
            await db.silences.save(session, [silence])
        self._kept[silence.id] = silence
        self._index.put(silence)
        self._on_change()


@dataclass(frozen=True, slots=True)
class _Entry:
    silence: Silence
    condition: Condition


class _Index:
    """Silences by a label and value that they want, so that an alert looks only at those that may fit it."""

    def __init__(self, silences: Iterable[Silence]) -> None:
        self._buckets: dict[tuple[str, str], dict[str, _Entry]] = {}
        for silence in silences:
            self.put(silence)

    def put(self, silence: Silence) -> None:
        """Add the silence; it is known again by its id, as long as its matchers stay."""
        bucket = self._buckets.setdefault(_wanted(silence), {})
        known = bucket.get(silence.id)
        bucket[silence.id] = _Entry(silence, known.condition if known else Condition(silence.matchers))

    def fitting(self, labels: Labels, now: datetime) -> tuple[str, ...]:
        found: list[str] = []
        for pair in (_ANYTHING, *labels.pairs) if self._buckets else ():
            found += [entry.silence.id for entry in self._buckets.get(pair, {}).values() if _holds(entry, labels, now)]
        return tuple(sorted(found))


def _wanted(silence: Silence) -> tuple[str, str]:
    """A label and value without which no alert fits."""
    return next(((m.name, m.value) for m in silence.matchers if m.op is MatchOp.EQUAL and m.value), _ANYTHING)


def _holds(entry: _Entry, labels: Labels, now: datetime) -> bool:
    return entry.silence.state(now) is SilenceState.ACTIVE and entry.condition.fits(labels)


def _cleaned(silence: Silence) -> Silence:
    matchers = tuple(Matcher(fit_text(m.name), m.op, fit_text(m.value)) for m in silence.matchers)
    return replace(silence, matchers=matchers, created_by=fit_text(silence.created_by), comment=fit_text(silence.comment))
