"""The metrics engine that the configuration names: the embedded store, or a cluster underneath."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from opsconsole import promql
from opsconsole.clock import Clock
from opsconsole.cluster.querier import Careful, ClusterQuerier
from opsconsole.cluster.store import ClusterStore
from opsconsole.cluster.transport import Transport, open_http
from opsconsole.cluster.watch import SCOPE, ClusterWatch
from opsconsole.config import Loaded
from opsconsole.db import Database
from opsconsole.db.migrate import usable
from opsconsole.loops import Loops
from opsconsole.model import MetricsReader, MetricsStore, Querier, Verdict
from opsconsole.promql.labelsets import Known
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings as StoreSettings
from opsconsole.tsdb.store import Store

Take = Callable[[Verdict], Awaitable[None]]

_LOOK_EVERY = timedelta(seconds=5)


async def _at_once() -> None:
    return


@dataclass(frozen=True)
class Metrics:
    """Where samples go and where answers come from.

    `judging` answers rules: nothing, rather than from less than was collected. After `settle` queries see what was
    appended before. `loops` run besides flush and maintenance, and give verdicts to what they are handed.
    """

    store: MetricsStore
    querier: Querier
    reader: MetricsReader
    judging: Querier
    settle: Callable[[], Awaitable[None]] = _at_once
    loops: Callable[[Loops, Take], Sequence[Coroutine[Any, Any, None]]] = lambda _, __: ()


async def opened(stack: AsyncExitStack, loaded: Loaded, db: Database, clock: Clock, telemetry: Telemetry) -> Metrics:
    """Opened for writing, and closed by `stack`. Raises OpsConsoleError."""
    if loaded.config.storage.metrics.engine == "prometheus":
        return await _cluster(stack, loaded, db, clock, telemetry)
    store = _store(loaded, db, clock, telemetry)
    with usable(db):
        await store.open()
    stack.push_async_callback(store.close)
    querier = _engine(store, clock, promql_settings(loaded))
    return Metrics(store, querier, store, querier.apart())


def _engine(store: Store, clock: Clock, settings: promql.Settings) -> promql.Engine:
    return promql.Engine(store, clock, settings, Known(series=lambda: store.series))


def scopes(loaded: Loaded) -> set[str]:
    """Of the verdicts that `Metrics.loops` give."""
    return {SCOPE} if loaded.config.storage.metrics.engine == "prometheus" else set()


async def reading(stack: AsyncExitStack, loaded: Loaded, db: Database, clock: Clock) -> Querier:
    """What answers queries beside a console that may be running, which it leaves alone."""
    settings = loaded.config.storage.metrics
    if settings.engine == "prometheus":
        http = await stack.enter_async_context(open_http(settings))
        return ClusterQuerier(Transport(http, settings), settings)
    store = _store(loaded, db, clock, Telemetry())
    await store.open(read_only=True)
    return _engine(store, clock, promql_settings(loaded))


async def _cluster(stack: AsyncExitStack, loaded: Loaded, db: Database, clock: Clock, telemetry: Telemetry) -> Metrics:
    settings = loaded.config.storage.metrics
    transport = Transport(await stack.enter_async_context(open_http(settings)), settings)
    store = ClusterStore(db, transport, clock, telemetry, settings)
    await store.open()
    stack.push_async_callback(store.close)
    querier = ClusterQuerier(transport, settings)

    def loops(loops: Loops, take: Take) -> Sequence[Coroutine[Any, Any, None]]:
        watch = ClusterWatch(store, querier, take)
        return [
            loops.consume(store.wake, store.send, name="cluster"),
            loops.every(_LOOK_EVERY, watch.step, name="cluster/watch"),
        ]

    return Metrics(store, querier, querier, Careful(querier, store), store.settle, loops)


def _store(loaded: Loaded, db: Database, clock: Clock, telemetry: Telemetry) -> Store:
    retention, metrics = loaded.config.storage.retention, loaded.config.storage.metrics
    settings = StoreSettings(
        retention=retention.metrics,
        retention_size=retention.metrics_size,
        max_series_per_deployment=metrics.max_series_per_deployment,
        max_deployments=metrics.max_deployments,
        known_deployments=frozenset(deployment.name for deployment in loaded.config.deployments),
        max_pending_samples=metrics.max_pending_samples,
    )
    return Store(db, clock, telemetry, settings)


def promql_settings(loaded: Loaded) -> promql.Settings:
    """The query language as the configuration has it."""
    config = loaded.config
    metrics = config.storage.metrics
    return promql.Settings(
        compat=metrics.promql_compat,
        delayed_name_removal=metrics.promql_delayed_name_removal,
        subquery_step=config.rules.evaluation_interval,
        **metrics.query.model_dump(),
    )
