"""Samples of one series from several places, made one: in order of time, the first at a time wins."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from opsconsole.db.series import SMALL, ChunkRow
from opsconsole.model import Labels, Series
from opsconsole.tsdb.codec import CorruptError, decode, encode
from opsconsole.tsdb.head import Chunk, Held, Run

log = logging.getLogger(__name__)

EMPTY = Run(np.empty(0, np.int64), np.empty(0, np.float64))


def merged(runs: Sequence[Run]) -> Run:
    """Runs in order of precedence → one run with ascending times."""
    runs = [run for run in runs if len(run.times)]
    if not runs:
        return EMPTY
    times = runs[0].times if len(runs) == 1 else np.concatenate([run.times for run in runs])
    values = runs[0].values if len(runs) == 1 else np.concatenate([run.values for run in runs])
    if (np.diff(times) > 0).all():
        return Run(times, values)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    first = np.concatenate([[True], np.diff(times) > 0])
    return Run(times[first], values[first])


def clipped(run: Run, start_ms: int, end_ms: int) -> Run:
    if not len(run.times) or (run.times[0] >= start_ms and run.times[-1] <= end_ms):
        return run
    low, high = np.searchsorted(run.times, start_ms), np.searchsorted(run.times, end_ms, side="right")
    return Run(run.times[low:high], run.values[low:high])


def decoded(chunk: Chunk | ChunkRow) -> Run:
    """The chunk's samples; none, and a line in the log, where its bytes are damaged: one chunk must not blind every rule."""
    try:
        return Run(*decode(chunk.data))
    except CorruptError as error:
        fields = {"start_ms": chunk.start_ms, "end_ms": chunk.end_ms, "error": str(error)}
        log.error("a damaged chunk is left out", extra=fields)
        return EMPTY


def split(run: Run) -> list[Chunk]:
    """The run as chunks of SMALL to twice SMALL samples (fewer where it has fewer)."""
    pieces = max(1, len(run.times) // SMALL)
    return [
        Chunk(int(times[0]), int(times[-1]), len(times), encode(times, values))
        for times, values in zip(np.array_split(run.times, pieces), np.array_split(run.values, pieces), strict=True)
        if len(times)
    ]


def assemble(
    held: Iterable[Held], stored: Mapping[int, Sequence[ChunkRow]], start_ms: int, end_ms: int, horizon_ms: int
) -> list[Series]:
    """Series in the window from memory, and from the database for what is older than `horizon_ms`."""
    found = []
    for series_id, labels, chunks, runs in held:
        parts = [clipped(decoded(row), start_ms, min(end_ms, horizon_ms - 1)) for row in stored.get(series_id, ())]
        parts += [clipped(decoded(chunk), max(start_ms, horizon_ms), end_ms) for chunk in chunks]
        parts += [clipped(run, start_ms, end_ms) for run in runs]
        run = parts[0] if len(parts) == 1 else merged(parts)
        if len(run.times):
            found.append(Series(labels, run.times, run.values))
    return found


def one_each(found: Sequence[Series]) -> list[Series]:
    """Series that ended once and lived again under another id, as one."""
    by_labels: dict[Labels, Series] = {}
    for series in found:
        if (twin := by_labels.get(series.labels)) is not None:
            run = merged([Run(twin.timestamps, twin.values), Run(series.timestamps, series.values)])
            by_labels[series.labels] = Series(series.labels, run.times, run.values)
        else:
            by_labels[series.labels] = series
    return list(by_labels.values())
