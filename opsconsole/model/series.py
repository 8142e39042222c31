"""Series as the store hands them to the query language, and what a query answers."""

import enum
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from opsconsole.model.appended import Appended
from opsconsole.model.labels import Labels
from opsconsole.model.sample import Sample

Millis = npt.NDArray[np.int64]
"""Unix time in milliseconds, ascending."""
Values = npt.NDArray[np.float64]
Refs = npt.NDArray[np.int64]
"""Numbers of series, as a store gives them out."""

STALE_NAN_BITS = 0x7FF0000000000002
"""The bit pattern of Prometheus' staleness marker (prometheus/prometheus, `model/value/value.go`)."""
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
"""The marker as a value to store: the series has no more samples, until one comes."""


class MatchOp(enum.StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label; `__name__` is a label as any other. Regular expressions are RE2's, anchored at both ends."""

    name: str
    op: MatchOp
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series' samples in a window; `labels` includes `__name__`."""

    labels: Labels
    timestamps: Millis
    values: Values


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Series that have samples at the same times, as one scrape writes them: r label sets, n times, r × n values.

    `labels` include `__name__`. A source that hands out the same objects again, be it the sequence or the label sets in it,
    saves the engine from deriving groups and names anew.
    """

    labels: Sequence[Labels]
    timestamps: Millis
    values: Values


Admit = Callable[[int], None]
"""Is told how many samples more a source is about to hold for a query, perhaps none, now and then and from any thread; raises
QueryError where there may be no more of them, or the query has taken too long or is not wanted any longer."""


def admit_all(samples: int) -> None:
    """For who asks for little, and waits as long as it takes."""


class SeriesSource(Protocol):
    """Where a query reads samples from; the embedded store is one."""

    async def blocks(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, admit: Admit = admit_all) -> list[Block]:
        """Every series that all `matchers` fit, with its samples in `start_ms <= t <= end_ms`, staleness markers included.

        Each series stands in one block only, and no block is without samples. Raises QueryError, and what `admit` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """One element of an instant vector."""

    labels: Labels
    at_ms: int
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One series of a range result; a step without a value is absent from both arrays."""

    labels: Labels
    timestamps: Millis
    values: Values


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query answers, shaped as Prometheus' HTTP API shapes it.

    `vector` fills `points`; `scalar` fills `points` with one element without labels; `string` fills `text`;
    `matrix` fills `rows`. `warnings` and `infos` are Prometheus' annotations, each with its place in the text.
    """

    kind: Literal["vector", "scalar", "string", "matrix"]
    points: list[Point] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    text: str = ""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


class QueryError(Exception):
    """A query that cannot be answered. `kind` is Prometheus' error type; `position` is the offset in the text, if known."""

    def __init__(self, message: str, kind: str = "execution", position: int | None = None) -> None:
        super().__init__(message)
        self.kind, self.position = kind, position


class Querier(Protocol):
    """Evaluates PromQL: the embedded engine, or a cluster's query API. Both raise QueryError."""

    async def instant(self, expr: str, at: datetime) -> QueryResult:
        """The value at one time, of any kind."""
        ...

    async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        """A `matrix` with a point at `start` and after every `step`, up to and with `end`."""
        ...


class MetricsReader(Protocol):
    """Which series there are; the embedded store knows, and a cluster is asked. All raise QueryError.

    With `start_ms` (Unix milliseconds) those count too that ended since then; without, those that are alive. With `end_ms`
    those do not that began later, as far as that can be told cheaply: long ago, of series that are stored together one
    may stand for all.
    """

    async def labels(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        """The label sets that all `matchers` fit, `__name__` included."""
        ...

    async def label_names(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        """Sorted."""
        ...

    async def label_values(
        self, name: str, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        """Sorted."""
        ...


class MetricsStore(Protocol):
    """Where samples go: the embedded store, or the queue of a cluster.

    Appending never waits: samples are in memory at once, and durable after the next `flush`. A *ref* names a series.
    """

    async def open(self) -> None:
        """Read what was kept before; samples may come from now on."""
        ...

    def append(self, samples: Iterable[Sample]) -> Appended:
        """Take samples in, in any order of time; the answer counts what became of them."""
        ...

    def ref(self, name: str, labels: Labels) -> int:
        """The number of a series, for `append_refs`; `labels` without `__name__`. 0 where the store may hold no more."""
        ...

    def refs(self, series: Sequence[Labels]) -> Refs:
        """`ref` of many series at once, each with `__name__` among its labels."""
        ...

    def append_refs(self, at_ms: int | Millis, refs: Sequence[int] | Refs, values: Sequence[float] | Values) -> Appended:
        """One sample for each ref, all of one time (Unix milliseconds), or each of its own."""
        ...

    def append_block(self, block: Block) -> Appended:
        """Every sample of a block; nobody holds a ref of its series."""
        ...

    async def append_history(self, times: Millis, refs: Sequence[int] | Refs, values: Sequence[float] | Values) -> Appended:
        """The same for whoever can wait: samples that long stood in the database are told as known or in conflict too."""
        ...

    def end(self, at_ms: int, refs: Sequence[int]) -> None:
        """Mark series as ended with Prometheus' staleness marker."""
        ...

    async def flush(self, now: datetime) -> None:
        """Make durable what was appended; where the database refuses, samples wait."""
        ...

    async def commit(self, now: datetime) -> None:
        """The same for who must know before answering: raises what the database raised."""
        ...

    async def maintain(self, now: datetime) -> None:
        """What is due once a minute."""
        ...

    async def close(self) -> None: ...

    @property
    def series(self) -> int:
        """How many series memory holds."""
        ...

    @property
    def problem(self) -> str | None:
        """Why the store is not healthy, in a line."""
        ...
