"""A page of metrics, scraped as Prometheus scrapes it: its samples, `up` and the scrape's own, and what is gone ended."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx
import numpy as np

from opsconsole.airflow import open_http
from opsconsole.clock import Clock, millis
from opsconsole.collectors import scrape_http
from opsconsole.collectors.formats import exposition
from opsconsole.collectors.formats.exposition import Grammar, Told, Wrong
from opsconsole.collectors.formats.page import Page, PageError, Shape, read
from opsconsole.collectors.scrape_settings import ScrapeSettings
from opsconsole.collectors.settings import Deployment
from opsconsole.collectors.standing import Standing
from opsconsole.model import STALE, CollectError, Labels, MetricsStore, Refs, Sample
from opsconsole.tsdb.metadata import Description, Metadata
from opsconsole.tsdb.series_cache import SeriesCache

log = logging.getLogger(__name__)

_IN_A_THREAD = 256 * 1024
_LEARNT_AT_ONCE = 500
"""New series between which others have their turn."""
_AHEAD_MS = 600_000
_NOTHING: Refs = np.empty(0, np.int64)


class Scrape:
    """One page of one deployment, as a step. The series of a failed scrape end, as those do that a page no longer has."""

    def __init__(
        self,
        deployment: Deployment,
        settings: ScrapeSettings,
        store: MetricsStore,
        metadata: Metadata,
        clock: Clock,
        open_client: Callable[[ScrapeSettings], httpx.AsyncClient] = open_http,
    ) -> None:
        self._deployment, self._settings = deployment, settings
        self._store, self._metadata, self._clock, self._open_client = store, metadata, clock, open_client
        self._client: httpx.AsyncClient | None = None
        self._own = {"job": settings.job, "instance": settings.instance, "deployment": deployment.name}
        self._cache: SeriesCache[bytes, int] = SeriesCache()
        self._shape: Shape | None = None
        self._alive = _NOTHING
        self._last_success_at: datetime | None = None
        self.collector = f"scrape/{settings.job}/{settings.instance}"
        self.name = f"collect/{deployment.name}/{self.collector}"
        self.interval = settings.interval or deployment.interval
        self.standing = Standing(deployment.name, self.collector, None, 0.0, "")

    async def step(self, now: datetime) -> None:
        began, error, counts = self._clock.monotonic(), "", (0, 0, 0)
        try:
            counts = await self._scrape(now)
        except CollectError as failure:
            error = str(failure)
            self._end(self._alive, now)
            self._alive, self._shape = _NOTHING, None
        self._tell(now, self._clock.monotonic() - began, error, counts)

    def end(self, now: datetime) -> None:
        """Mark its series as ended, its own among them; where it is never run again."""
        self._end(self._alive, now)
        self._alive, self._shape = _NOTHING, None
        if self.standing.at is not None:
            self._store.append([Sample(one.name, STALE, now, one.labels) for one in self._samples(now, 0.0, "", (0, 0, 0))])

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _scrape(self, now: datetime) -> tuple[int, int, int]:
        """Store the page's samples: how many there were, how many were kept, how many series are new. Raises CollectError."""
        if self._client is None:
            self._client = self._open_client(self._settings)
        fetched = await scrape_http.fetch(self._client, self._settings)
        try:
            page = await self._read(fetched)
            if 0 < self._settings.sample_limit < len(page.refs):
                raise CollectError(
                    f"the page has {len(page.refs):,} samples, more than sample_limit, {self._settings.sample_limit:,}"
                )
            if page.shape is None or page.shape is not self._shape:
                await self._learn(page, fetched.grammar, now)
        except (PageError, Wrong) as error:
            raise CollectError(f"the page is not as its format wants it: {error}") from error
        kept, new = await self._keep(page, now)
        self._shape = page.shape
        return len(page.refs), kept, new

    async def _read(self, fetched: scrape_http.Fetched) -> Page:
        """Large ones in a thread of their own, so that others have their turn."""
        if len(fetched.body) < _IN_A_THREAD:
            return read(fetched.body, fetched.grammar, self._cache.known, self._shape)
        return await asyncio.to_thread(read, fetched.body, fetched.grammar, self._cache.known, self._shape)

    async def _learn(self, page: Page, grammar: Grammar, now: datetime) -> None:
        """Find the refs of what is new on the page. Raises Wrong."""
        self._cache.tick(millis(now), self._store.series)
        learnt = np.zeros(len(page.keys), np.int64)
        new: list[tuple[int, bytes, Labels]] = []
        for i, key in enumerate(page.keys):
            if (known := self._cache.find(key)) is not None:
                learnt[i] = known
            else:
                new.append((i, key, self._labelled(exposition.labels(key, grammar))))
            await self._pause(i)
        for first in range(0, len(new), _LEARNT_AT_ONCE):
            some = new[first : first + _LEARNT_AT_ONCE]
            refs = self._store.refs([labels for _, _, labels in some]).tolist()
            for (i, key, _), ref in zip(some, refs, strict=True):
                if ref > 0:
                    self._cache.put(key, ref)
                    learnt[i] = ref
            await asyncio.sleep(0)
        unknown = page.refs < 0
        page.refs = page.refs.copy()
        page.refs[unknown] = learnt[-1 - page.refs[unknown]]
        if page.shape is not None:
            page.shape.refs = page.refs
            if not page.refs.all():
                page.shape = None  # series that may not be are asked for again
        self._note(page.told)

    async def _pause(self, i: int) -> None:
        if i % _LEARNT_AT_ONCE == _LEARNT_AT_ONCE - 1:
            await asyncio.sleep(0)

    def _labelled(self, said: dict[str, str]) -> Labels:
        """With ours, which win over the page's unless its are honoured; a deployment's name is never the page's to say."""
        merged = dict(said)
        for name, value in self._own.items():
            if not (self._settings.honor_labels and name != "deployment" and name in said):
                theirs, merged[name] = merged.get(name, ""), value
                while theirs:
                    name = f"exported_{name}"
                    theirs, merged[name] = merged.get(name, ""), theirs
        return Labels(merged)

    def _note(self, told: Sequence[Told]) -> None:
        families: dict[str, dict[str, str]] = {}
        for what, family, text in told:
            families.setdefault(family, {})[what] = text
        for family, said in families.items():
            kind = said.get("TYPE", "unknown")
            description = Description("unknown" if kind == "untyped" else kind, said.get("HELP", ""), said.get("UNIT", ""))
            self._metadata.note(family, description)

    async def _keep(self, page: Page, now: datetime) -> tuple[int, int]:
        """Append the samples and end what is gone: how many were kept, and how many series the page before had not."""
        at_ms, refs, values, dated = millis(now), page.refs, page.values, page.dated
        if dated is None or page.times is None or not self._settings.honor_timestamps:
            kept, lasting = self._store.append_refs(at_ms, refs, values), refs
        else:
            times = np.where(dated, page.times, at_ms)
            good = times <= at_ms + _AHEAD_MS
            kept, lasting = await self._store.append_history(times[good], refs[good], values[good]), refs[~dated]
        if page.shape is not None and page.shape is self._shape:
            return kept.accepted, 0
        before, self._alive = self._alive, np.unique(lasting[lasting > 0])
        self._end(np.setdiff1d(before, self._alive, assume_unique=True), now)
        return kept.accepted, len(np.setdiff1d(self._alive, before, assume_unique=True))

    def _end(self, refs: Refs, now: datetime) -> None:
        if len(refs):
            self._store.append_refs(millis(now), refs, np.full(len(refs), STALE))

    def _tell(self, now: datetime, seconds: float, error: str, counts: tuple[int, int, int]) -> None:
        if not error:
            self._last_success_at = now
        self._log_change(error)
        self.standing = Standing(self._deployment.name, self.collector, now, seconds, error)
        self._store.append(self._samples(now, seconds, error, counts))

    def _samples(self, now: datetime, seconds: float, error: str, counts: tuple[int, int, int]) -> list[Sample]:
        """What is told of a scrape."""
        target = Labels(self._own)
        ours = Labels(collector=self.collector, deployment=self._deployment.name)
        samples = [
            Sample("up", float(not error), now, target),
            Sample("scrape_duration_seconds", seconds, now, target),
            Sample("scrape_samples_scraped", counts[0], now, target),
            Sample("scrape_samples_post_metric_relabeling", counts[1], now, target),
            Sample("scrape_series_added", counts[2], now, target),
            Sample("opsconsole_collector_up", float(not error), now, ours),
            Sample("opsconsole_collector_duration_seconds", seconds, now, ours),
        ]
        if (at := self._last_success_at) is not None:
            samples.append(Sample("opsconsole_collector_last_success_timestamp_seconds", at.timestamp(), now, ours))
        return samples

    def _log_change(self, error: str) -> None:
        before = self.standing.error
        fields = {"deployment": self._deployment.name, "collector": self.collector}
        if error and error != before:
            log.warning("a scrape fails", extra={**fields, "error": error})
        elif before and not error:
            log.info("a scrape works again", extra=fields)
