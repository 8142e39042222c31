"""Everything wired and run: reading `_generation` from top to bottom is reading the system.

A reload builds and checks the new configuration first, then ends this generation and begins the next on the same
listening socket: callers wait in its backlog for the moment between.
"""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx

from opsconsole import content, engine
from opsconsole.airflow.links import Links
from opsconsole.alerts import posted
from opsconsole.alerts.incidents import Incidents
from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.alerts.routing import longest_wait
from opsconsole.alerts.silencing import Silences
from opsconsole.clock import Clock, SystemClock
from opsconsole.collectors.base import Target
from opsconsole.collectors.departed import Departed
from opsconsole.collectors.runner import Runner
from opsconsole.collectors.scrape import Scrape
from opsconsole.collectors.self_metrics import SelfMetrics
from opsconsole.collectors.statsd import StatsdListener, heard
from opsconsole.config import Config, Loaded, Retention, statsd_senders
from opsconsole.db import Database, GroupWriter
from opsconsole.db.integrity import expect_sound
from opsconsole.db.migrate import migrate
from opsconsole.failures.settings import Settings as FailureSettings
from opsconsole.failures.watch import FailureWatch
from opsconsole.heartbeats.watch import HeartbeatWatch
from opsconsole.history import RunRetention
from opsconsole.loops import Loops, Step
from opsconsole.model import ConfigError, MetricsStore, OpsConsoleError, Querier
from opsconsole.notify import outgoing
from opsconsole.notify.courier import Courier
from opsconsole.notify.settings import integrations
from opsconsole.rules.evaluation import GroupEvaluator
from opsconsole.rules.groups import AlertingRule
from opsconsole.slas.watch import SlaWatch
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.metadata import Metadata
from opsconsole.web.app import create_app
from opsconsole.web.changes import Changes
from opsconsole.web.console import Console, Deployment, GroupStanding, SelfCheck
from opsconsole.web.selfchecks import EVALUATION, HEARTBEATS, self_checks
from opsconsole.web.serving import allow_connections, bound, serve, server
from opsconsole.web.settings import ServerSettings
from opsconsole.web.signing_in import ensure_admin

log = logging.getLogger(__name__)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
FLUSH = timedelta(seconds=10)  # after its wait a group is told within this, unless the database is very busy
DRAIN = 5.0  # seconds that the way out waits for deliveries under way

Say = Callable[[str], None]
Read = Callable[[], Loaded]


@dataclass
class Orders:
    """What signals and the reload page ask of the running generation."""

    end: asyncio.Event = field(default_factory=asyncio.Event)
    following: Loaded | None = None
    stopped: bool = False

    def stop(self) -> None:
        """For good, even while the next generation is already waiting."""
        self.stopped = True
        self.end.set()

    def reload(self, read: Read) -> list[str]:
        """Read the configuration anew and go on with it; the problems, where it is not valid, and then nothing changes."""
        try:
            self.following = read()
        except ConfigError as error:
            log.error("the new configuration is not valid; the running one stays", extra={"problems": error.problems})
            return error.problems
        log.info("reloading")
        self.end.set()
        return []


class _Door:
    """The web console's listening socket: the same one from generation to generation, as long as its address is."""

    def __init__(self) -> None:
        self._listen, self._socket = "", socket.socket()

    def at(self, server: ServerSettings) -> socket.socket:
        """Raises OpsConsoleError where the address cannot be had, and then the old one stays."""
        if server.listen != self._listen:
            fresh = bound(server.host, server.port)
            self.close()
            self._listen, self._socket = server.listen, fresh
        return self._socket

    def close(self) -> None:
        self._socket.close()


async def run(read: Read, say: Say, clock: Clock | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises OpsConsoleError where it cannot start.

    A new configuration that is valid but cannot start, on a port in use for one, gives way to the one before.
    """
    loaded, before, sound = read(), None, ""
    allow_connections()
    _warn(loaded)
    clock = clock or SystemClock()
    with closing(_Door()) as door:
        while True:
            orders = Orders()
            try:
                with _signals(orders, read):
                    sound = await _sound(loaded.database_url, sound, clock)
                    await _generation(loaded, read, orders, door.at(loaded.config.server), clock, say)
            except OpsConsoleError as error:
                if before is None:
                    raise
                log.error("the new configuration cannot start; the one before goes on", extra={"error": str(error)})
                loaded, before = before, None
                continue
            if orders.following is None or orders.stopped:
                return
            loaded, before = orders.following, loaded
            _warn(loaded)


def _warn(loaded: Loaded) -> None:
    """Once for each configuration that is read."""
    for warning in loaded.warnings:
        log.warning("%s", warning)


async def _sound(url: str, known: str, clock: Clock) -> str:
    """The database's address once it is looked at; one that is `known` is not looked at again by each reload.

    Raises OpsConsoleError where it cannot be trusted.
    """
    if url != known:
        db = Database(url)
        try:
            await expect_sound(db, clock)
        finally:
            await db.close()
    return url


@contextmanager
def _signals(orders: Orders, read: Read) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, orders.stop)
    loop.add_signal_handler(signal.SIGINT, orders.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: orders.reload(read) and None)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def _generation(loaded: Loaded, read: Read, orders: Orders, listener: socket.socket, clock: Clock, say: Say) -> None:
    """One configuration's life: open, run, and on the way out stop listening, end loops, drain, flush, close."""
    config, telemetry, changes = loaded.config, Telemetry(), Changes()
    loops, public_url = Loops(clock, telemetry), config.server.address
    names = [deployment.name for deployment in config.deployments]
    async with AsyncExitStack() as stack:
        # store
        db = Database(loaded.database_url)
        stack.push_async_callback(db.close)
        await migrate(db)
        writer = GroupWriter(db)
        metrics = await engine.opened(stack, loaded, db, clock, telemetry)
        store, querier, metadata = metrics.store, metrics.querier, Metadata()

        # notify, and alert
        http = await stack.enter_async_context(outgoing.guarded(httpx.AsyncClient(timeout=15)))
        receivers = list(config.alerting.receivers)
        runbooks = content.folder("docs/runbooks")
        told = _telling(changes, "alerts")
        courier = Courier(db, clock, telemetry, receivers, http, public_url, runbooks, told)
        stack.push_async_callback(courier.close)
        silences = Silences(db, clock, told)
        await silences.open()
        keeper = AlertKeeper(db, clock, telemetry, config.alerting, integrations(receivers), silences, told)
        await keeper.open()
        await keeper.forget_scopes(_scopes(loaded))

        # collect
        departed = Departed(querier, store.append, names)
        await departed.step(clock.now())
        runner = _runner(config, store, metadata, db, clock)
        stack.push_async_callback(runner.close)
        statsd = StatsdListener(
            config.listeners.statsd, statsd_senders(config.deployments), store, clock, telemetry, _generations(runner)
        )
        own = SelfMetrics(telemetry.registry)

        # evaluate
        stands = longest_wait(config.alerting) + FLUSH
        heartbeats = HeartbeatWatch(db, config.heartbeats, keeper.take, store.append, stands)
        await heartbeats.open(clock.now())
        failures = FailureWatch(db, FailureSettings(), names, keeper.take, _links(runner))
        slas = SlaWatch(db, config.slas, names, keeper.take, _links(runner))
        evaluators = [
            GroupEvaluator(
                group,
                metrics.judging,
                store.append_block,
                keeper.take,
                keeper.open_in,
                clock=clock,
                telemetry=telemetry,
                external_url=public_url,
                succeeds=True,
                settle=metrics.settle,
            )
            for group in loaded.rule_groups
        ]

        # show
        checks = self_checks(db, store, telemetry, clock.now())
        console = _console(
            loaded, db, writer, clock, telemetry, querier, runner, slas, checks, changes, lambda: orders.reload(read)
        )
        by_key = {evaluator.group.key: evaluator for evaluator in evaluators}
        console = replace(
            console,
            store=store,
            metadata=metadata,
            reader=metrics.reader,
            alerts=keeper.alerts,
            muted=keeper.muted,
            silences=silences,
            keeper=keeper,
            incidents=Incidents(db, keeper, told),
            alerting=config.alerting,
            receivers=config.alerting.receivers,
            evaluated=lambda key: GroupStanding(by_key[key].whole, by_key[key].rules),
            compat=config.storage.metrics.promql_compat,
            query_timeout=config.storage.metrics.query.timeout,
        )
        password = await ensure_admin(db, clock) if config.auth.mode == "password" else None
        web = server(create_app(console))

        steps: list[tuple[str, timedelta, Step]] = [
            ("store/flush", SECOND / 2, store.flush),
            ("store/maintain", MINUTE, store.maintain),
            ("departed", MINUTE, departed.step),
            ("statsd", SECOND, statsd.step),
            ("self", 15 * SECOND, _recording(own, store)),
            *((f"rules/{evaluator.group.key}", evaluator.group.interval, evaluator.step) for evaluator in evaluators),
            (HEARTBEATS, SECOND, heartbeats.step),
            ("failures", 2 * SECOND, failures.step),
            ("slas", 5 * SECOND, slas.step),
            (EVALUATION, SECOND, _dispatching(keeper, courier)),
            ("pages", 5 * SECOND, _ticking(changes)),
            ("retention", HOUR, _forgetting(db, keeper, silences, config.storage.retention)),
        ]
        gc.collect()
        gc.freeze()  # what stands now stays: the collector need not walk it while datagrams wait
        await statsd.open()
        stack.push_async_callback(statsd.close)
        async with asyncio.TaskGroup() as tasks:
            loops_running = [tasks.create_task(loops.every(interval, step, name=name)) for name, interval, step in steps]
            loops_running += [tasks.create_task(running) for running in (runner.run(loops), *metrics.loops(loops, keeper.take))]
            writing = tasks.create_task(loops.consume(writer.queue, writer.commit, name="writer"))
            serving = tasks.create_task(serve(web, listener))
            _greet(config, password, say)
            await orders.end.wait()

            log.info("stopping")
            changes.close()
            await _ended(serving)
            await statsd.close()
            await _ended(*loops_running)
            if orders.following is not None and not orders.stopped:
                following = orders.following.config
                runner.end(clock.now(), but={one.name for one in _runner(following, store, metadata, db, clock).collections})
                statsd.end(clock.now(), but=heard(following.listeners.statsd, statsd_senders(following.deployments)))
            await writer.queue.join()
            await _ended(writing)
            await keeper.dispatch(clock.now())
            await courier.drain(DRAIN)


def _runner(config: Config, store: MetricsStore, metadata: Metadata, db: Database, clock: Clock) -> Runner:
    """Everything that this configuration has collected; nothing is opened yet."""
    scrapes = [Scrape(one, page, store, metadata, clock) for one in config.deployments for page in one.scrape]
    return Runner([Target(deployment, db, clock) for deployment in config.deployments], store.append, clock, scrapes)


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _telling(changes: Changes, topic: str) -> Callable[[], None]:
    return lambda: changes.publish(topic)


def _ticking(changes: Changes) -> Step:
    """Ages on open pages move on although nothing happened."""

    async def step(now: datetime) -> None:
        changes.publish("samples")

    return step


def _recording(own: SelfMetrics, store: MetricsStore) -> Step:
    async def step(now: datetime) -> None:
        store.append(await own.collect(now))

    return step


def _dispatching(keeper: AlertKeeper, courier: Courier) -> Step:
    """What a group owes is sent at once, not at the courier's next tick."""

    async def step(now: datetime) -> None:
        await keeper.dispatch(now)
        await courier.step(now)

    return step


def _forgetting(db: Database, keeper: AlertKeeper, silences: Silences, retention: Retention) -> Step:
    runs = RunRetention(db, retention.runs)

    async def step(now: datetime) -> None:
        await runs.step(now)
        await keeper.prune(now - retention.alerts)
        await silences.prune(now)

    return step


def _scopes(loaded: Loaded) -> set[str]:
    """Every scope that can still give a verdict under this configuration."""
    rules = {rule.scope for group in loaded.rule_groups for rule in group.rules if isinstance(rule, AlertingRule)}
    names = [deployment.name for deployment in loaded.config.deployments]
    return (
        rules
        | engine.scopes(loaded)
        | {"heartbeats", posted.SCOPE}
        | {f"{source}/{name}" for source in ("failures", "slas") for name in names}
    )


def _generations(runner: Runner) -> Callable[[str], int | None]:
    """Which generation of Airflow a deployment is, once it has said so itself."""

    def generation(deployment: str) -> int | None:
        target = runner.targets.get(deployment)
        known = target.known if target else None
        return known.generation if known else None

    return generation


def _links(runner: Runner) -> Callable[[str], Links | None]:
    def links(deployment: str) -> Links | None:
        target = runner.targets.get(deployment)
        known = target.known if target else None
        return known.links if known else None

    return links


def _console(
    loaded: Loaded,
    db: Database,
    writer: GroupWriter,
    clock: Clock,
    telemetry: Telemetry,
    querier: Querier,
    runner: Runner,
    slas: SlaWatch,
    checks: tuple[SelfCheck, ...],
    changes: Changes,
    reload: Callable[[], list[str]],
) -> Console:
    config = loaded.config
    return Console(
        db=db,
        writer=writer,
        clock=clock,
        telemetry=telemetry,
        querier=querier,
        server=config.server,
        auth=config.auth,
        deployments=tuple(
            Deployment(one.name, one.url, one.labels, one.components.expected(), one.interval) for one in config.deployments
        ),
        dashboards=loaded.dashboards,
        rules=loaded.rule_groups,
        runbooks=content.folder("docs/runbooks"),
        checks=checks,
        ping_key=config.heartbeats.ping_key,
        promised=slas.standing,
        reload=reload,
        changes=changes,
        standings=runner.standings,
    )


def _greet(config: Config, password: str | None, say: Say) -> None:
    say(f"opsconsole is at {config.server.address}/")
    if password is not None:
        say(f"  First login: admin, password {password}  (said once; keep it)")
