"""Which series there are: names and labels → id, with a limit for each deployment."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from opsconsole.db.series import SeriesRow
from opsconsole.model import Labels
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.bundles import Bundles, Kind, kind_of
from opsconsole.tsdb.cardinality import Culprit, culprit
from opsconsole.tsdb.head import Head
from opsconsole.tsdb.late import ROW_LIMIT
from opsconsole.tsdb.pieces import Ints
from opsconsole.tsdb.rows import NEVER
from opsconsole.tsdb.settings import Settings

log = logging.getLogger(__name__)

REFUSED, STRANGE = 0, -2
"""The refs of series that may not be, and whose samples are dropped and counted: its deployment has too many, or is itself
one too many."""

_LATELY_MS = 600_000
"""A refusal is a problem for that long, and the first after such a pause is told in the log."""

_NOBODYS = frozenset({"", "unassigned"})
"""In place of a deployment's name: of the console itself, and of nobody that is known."""
_LONGEST_NAME = 60
_MOST_NAMES = 100
"""Metric names that the counter of refused series tells apart; the rest is `other`."""


class Registry:
    """Gives ids out and knows those whose rows the database still lacks."""

    def __init__(self, head: Head, telemetry: Telemetry, settings: Settings) -> None:
        self._head, self._telemetry, self._limit = head, telemetry, settings.max_series_per_deployment
        self._deployments, self._known = settings.max_deployments, settings.known_deployments | _NOBODYS
        self._alive: dict[Labels, int] = {}
        self._ids: dict[tuple[str, Labels], int] = {}  # the same by name and other labels, of series that were asked for
        self._count: Counter[str] = Counter()
        self._refused_ms: dict[str, int] = {}
        self._blamed: dict[str, Culprit] = {}
        self._strange_ms, self._stranger = NEVER, ""
        self.bundles = Bundles()
        self._new: list[SeriesRow] = []
        self._refused: Counter[tuple[str, str]] = Counter()
        self.next_id = 1

    def __len__(self) -> int:
        return len(self._alive)

    def ref(self, name: str, labels: Labels, now_ms: int) -> int:
        """The id of a series by its name and other labels; see `refs`."""
        if (known := self._ids.get((name, labels))) is not None:
            return known
        (series_id,) = self.refs([labels.merged({"__name__": name})], now_ms)
        if series_id > REFUSED:
            self._ids[name, labels] = series_id
        return series_id

    def refs(self, series: Sequence[Labels], now_ms: int) -> list[int]:
        """The ids of series, names among the labels; new ones for series not seen before, REFUSED or STRANGE for those that
        may not be."""
        found = [self._alive.get(labels) for labels in series]
        if None not in found:
            return [series_id for series_id in found if series_id is not None]
        created = self._create(dict.fromkeys(one for one, known in zip(series, found, strict=True) if known is None), now_ms)
        return [known or created[labels] for labels, known in zip(series, found, strict=True)]

    def _create(self, wanted: Iterable[Labels], now_ms: int) -> dict[Labels, int]:
        """Ids for different new series, REFUSED or STRANGE for those that may not be."""
        kinds: dict[Labels, Kind] = {}
        barred: dict[Labels, int] = {}
        for labels in wanted:
            kind = kind_of(labels)
            if (bar := self._bar(kind[1], len(kinds))) is None:
                self._count[kind[1]] += 1
                kinds[labels] = kind
            else:
                barred[labels] = bar
        ids = range(self.next_id, self.next_id + len(kinds))
        self.next_id += len(kinds)
        bundles = [self.bundles.enter(kind) for kind in kinds.values()]
        held = self._admit(ids, list(kinds), bundles, now_ms)
        self._new.extend(map(SeriesRow, ids, held, bundles))
        for labels, bar in barred.items():
            self._tell(labels, bar, now_ms)
        return barred | dict(zip(kinds, ids, strict=True))

    def _bar(self, deployment: str, more: int) -> int | None:
        """Why there may be no more series of the deployment; `more` are about to be held beside those that are."""
        if deployment not in self._count and self._too_many(deployment):
            return STRANGE
        full = len(self._alive) + more >= ROW_LIMIT
        return REFUSED if full or (self._limit and self._count[deployment] >= self._limit) else None

    def _tell(self, labels: Labels, bar: int, now_ms: int) -> None:
        name, deployment = kind_of(labels)
        if bar == STRANGE:
            self._turn_away(deployment, now_ms)
        else:
            self._refuse(deployment, name, now_ms)

    def _admit(self, ids: Sequence[int], series: Sequence[Labels], bundles: Sequence[int], now_ms: int) -> list[Labels]:
        held = self._head.add(ids, series, bundles, now_ms)
        self._alive.update(zip(held, ids, strict=True))
        self._telemetry.store_series.set(len(self._alive))
        return held

    def _too_many(self, deployment: str) -> bool:
        """Whether it would be one more than there may be of those that nobody configured."""
        return deployment not in self._known and sum(name not in self._known for name in self._count) >= self._deployments

    def _turn_away(self, deployment: str, now_ms: int) -> None:
        first = now_ms - self._strange_ms > _LATELY_MS
        self._strange_ms, self._stranger = now_ms, deployment[:_LONGEST_NAME]
        if first:
            fields = {"limit": self._deployments, "deployment": self._stranger}
            log.warning("there are as many deployments as may be; samples of new ones are refused", extra=fields)

    def _refuse(self, deployment: str, name: str, now_ms: int) -> None:
        first = now_ms - self._refused_ms.get(deployment, NEVER) > _LATELY_MS
        self._refused_ms[deployment] = now_ms
        metric = name if (deployment, name) in self._refused or len(self._refused) < _MOST_NAMES else "other"
        self._refused[deployment, metric] += 1
        self._telemetry.store_refused_series.labels(deployment, metric).inc()
        if first:
            blamed = culprit([one for one in self._alive if one.get("deployment", "") == deployment] or self._alive)
            self._blamed[deployment] = blamed
            self._telemetry.store_largest_metric.labels(deployment, blamed.metric, blamed.label).set(blamed.series)
            fields = {"deployment": deployment, "limit": self._limit, "metric": name, "most": str(blamed)}
            log.warning("a deployment has as many series as it may; new ones are refused", extra=fields)

    def crowded(self, now_ms: int) -> list[str]:
        """A line for each deployment of which a series was refused lately: what made so many; and one for refused deployments."""
        strange = []
        if now_ms - self._strange_ms <= _LATELY_MS:
            strange = [
                f"there are as many deployments as may be ({self._deployments:,}), samples of new ones are refused, "
                f"such as {self._stranger!r}"
            ]
        return strange + [
            f"{deployment or 'no deployment'} has as many series as it may ({self._limit:,}), new ones are refused: "
            f"{self._blamed[deployment]}"
            for deployment, at_ms in sorted(self._refused_ms.items())
            if now_ms - at_ms <= _LATELY_MS
        ]

    def restore(self, rows: Sequence[SeriesRow], now_ms: int, floor_ms: int | Ints) -> list[int]:
        """Hold again what the database has; `floor_ms`: until when it may have samples of them, or of each. Returns their
        bundles, new ones for series of an earlier version."""
        bundles = [self._bundle(row) for row in rows]
        self._count.update(row.labels.get("deployment", "") for row in rows)
        ids = [row.id for row in rows]
        self._admit(ids, [row.labels for row in rows], bundles, now_ms)
        self._head.expect(ids, floor_ms)
        self.next_id = max([self.next_id - 1, *ids]) + 1
        return bundles

    def _bundle(self, row: SeriesRow) -> int:
        kind = kind_of(row.labels)
        if row.bundle is None:
            return self.bundles.enter(kind)
        self.bundles.restore(row.bundle, kind)
        return row.bundle

    def forget(self, series: Mapping[Labels, int]) -> None:
        """These are held no longer, each with its bundle."""
        for full, bundle in series.items():
            self._alive.pop(full, None)
            self._ids.pop((full.get("__name__", ""), full.without("__name__")), None)
            self._count[full.get("deployment", "")] -= 1
            self.bundles.leave(bundle, kind_of(full))
        self._count += Counter()  # leaves out what came to nothing
        self._telemetry.store_series.set(len(self._alive))

    def take_new(self) -> list[SeriesRow]:
        new, self._new = self._new, []
        return new

    def give_back(self, new: list[SeriesRow]) -> None:
        self._new[:0] = new

    @property
    def waiting(self) -> bool:
        return bool(self._new)
