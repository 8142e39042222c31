"""What a query's answer is annotated with: warnings and infos, in Prometheus' words, each once and with its place."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from opsconsole.model import Millis, Values
from opsconsole.promql.literals import format_general
from opsconsole.promql.tokens import place
from opsconsole.promql.vectors import Mask

_MOST = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORCED = (
    "input to histogram_quantile needed to be fixed for monotonicity "
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)
_COUNTERS = ("_total", "_sum", "_count", "_bucket")


@dataclass(frozen=True, slots=True)
class Forced:
    """Buckets that had to be raised: between which bounds, by how much at most, at how many steps and when (milliseconds)."""

    lowest: float
    highest: float
    most: float
    samples: int
    first_ms: int
    last_ms: int

    @classmethod
    def of(cls, bounds: Values, missing: Values, forced: Mask, times: Millis) -> "Forced":
        """From buckets × steps: what was missing in each bucket, and where that is not mere rounding."""
        found, steps = bounds[forced.any(axis=1)], times[forced.any(axis=0)]
        first, last = int(steps.min()), int(steps.max())
        return cls(float(found.min()), float(found.max()), float(missing[forced].max()), len(steps), first, last)

    def joined(self, other: "Forced") -> "Forced":
        return Forced(
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            max(self.most, other.most),
            self.samples + other.samples,
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
        )

    def __str__(self) -> str:
        bounds = f"from buckets {format_general(self.lowest)} to {format_general(self.highest)}"
        span = f"{_written(self.first_ms)} to {_written(self.last_ms)}"
        return f", {bounds}, with a max diff of {self.most:.2g}, over {self.samples} samples from {span}"


@dataclass(frozen=True, slots=True)
class _Note:
    position: int
    forced: Forced | None = None


class Notes:
    """Collects while a query runs. Prometheus 2 knew no such notes, so that mode has none."""

    def __init__(self, text: str, compat: int = 3) -> None:
        self._text, self._silent = text, compat == 2
        self._warnings: dict[str, _Note] = {}
        self._infos: dict[str, _Note] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._told("warning", self._warnings)

    @property
    def infos(self) -> tuple[str, ...]:
        return self._told("info", self._infos)

    def warn(self, message: str, position: int) -> None:
        self._warnings[message] = _Note(position)

    def info(self, message: str, position: int) -> None:
        self._infos[message] = _Note(position)

    def quantiles(self, quantiles: Values, position: int) -> None:
        for wrong in _outside(quantiles, 0.0, 1.0):
            self.warn(f"quantile value should be between 0 and 1, got {format_general(wrong)}", position)

    def ratios(self, ratios: Values, position: int) -> None:
        for wrong in _outside(ratios, -1.0, 1.0):
            capped = "1" if wrong > 0 else "-1"
            got = format_general(wrong)
            self.warn(f"ratio value should be between -1 and 1, got {got}, capping to {capped}", position)

    def ineffective_sort(self, position: int) -> None:
        self.warn("sort is ineffective for range queries since results are always ordered by labels", position)

    def bucket(self, bound: str, name: str, position: int) -> None:
        """A series among a histogram's buckets whose `le` is no number."""
        self.warn(f'bucket label "le" is missing or has a malformed value of "{bound}"{_named(name)}', position)

    def counter(self, name: str, position: int) -> None:
        """A metric whose rate is taken, by its name."""
        if name and not name.endswith(_COUNTERS):
            ends = "/".join(_COUNTERS)
            self.info(f'metric might not be a counter, name does not end in {ends}: "{name}"', position)

    def forced(self, forced: Forced, name: str, position: int) -> None:
        """Buckets that had to be raised so that none is below the one before; several such findings are told as one."""
        message = _FORCED + _named(name)
        known = self._infos.get(message)
        joined = forced if known is None or known.forced is None else forced.joined(known.forced)
        self._infos[message] = replace(_Note(position), forced=joined)

    def _told(self, kind: str, notes: dict[str, _Note]) -> tuple[str, ...]:
        if self._silent:
            return ()
        told = [f"PromQL {kind}: {text}{note.forced or ''} ({place(self._text, note.position)})" for text, note in notes.items()]
        omitted = len(told) - _MOST
        return tuple(told[:_MOST]) + ((f"{omitted} more {kind} annotations omitted",) if omitted > 0 else ())


def _outside(values: Values, low: float, high: float) -> list[float]:
    """NaN if there is one, then what lies farthest above and farthest below."""
    found = [float("nan")] if np.isnan(values).any() else []
    highest, lowest = np.fmax.reduce(values, initial=-np.inf), np.fmin.reduce(values, initial=np.inf)
    return (
        found
        + [float(extreme) for extreme in (highest,) if extreme > high]
        + [float(extreme) for extreme in (lowest,) if extreme < low]
    )


def _named(name: str) -> str:
    return f' for metric name "{name}"' if name else ""


def _written(ms: int) -> str:
    return (_EPOCH + timedelta(seconds=ms // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")
