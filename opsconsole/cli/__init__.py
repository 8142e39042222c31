"""The commands. Each is thin: parse, call, print; errors are one line on standard error.

A command imports what it runs, so that help, the version and a mistyped option are answered at once.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from opsconsole import __version__
from opsconsole.clock import SystemClock
from opsconsole.secrets import redacted

if TYPE_CHECKING:
    from opsconsole.config import Loaded

T = TypeVar("T")

app = typer.Typer(
    name="opsconsole",
    help="Observability and operations console for Apache Airflow deployments.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # a usage error is plain lines, not a box as wide as the terminal
)
notify_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Notifications.")
app.add_typer(notify_app, name="notify")
routes_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The route tree.")
app.add_typer(routes_app, name="routes")

File = Annotated[Path | None, typer.Option("--config", help="The configuration file (default: ./opsconsole.yaml if it exists).")]
_chosen: list[Path] = []


def main() -> None:
    """Run the command that was typed. Exit status: 0 done, 1 the answer is no, 2 usage."""
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except (Exception, BaseExceptionGroup) as error:
        from opsconsole.cli.complaints import complaints

        lines = complaints(error)
        if not lines:
            raise
        _fail(*lines)


def _fail(*lines: str) -> None:
    for line in lines:
        print(redacted(line), file=sys.stderr)
    sys.exit(1)


@app.callback(invoke_without_command=True)
def _common(
    config: File = None, version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False
) -> None:
    if config is not None:
        _chosen.append(config)
    if version:
        print(f"opsconsole {__version__}")
        raise typer.Exit


def _file(config: Path | None) -> Path | None:
    """`--config` from before or after the command."""
    return config or (_chosen[-1] if _chosen else None)


def _loaded(config: Path | None) -> "Loaded":
    """What the configuration says. Raises ConfigError with every problem in it."""
    from opsconsole.config import load

    return load(_file(config))


@app.command()
def serve(
    config: File = None,
    airflow: Annotated[str | None, typer.Option(help="Watch the Airflow at this URL; no file is needed.")] = None,
    username: Annotated[str | None, typer.Option(envvar="OPSCONSOLE_AIRFLOW_USERNAME")] = None,
    password: Annotated[str | None, typer.Option(envvar="OPSCONSOLE_AIRFLOW_PASSWORD")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT of the web console.")] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log as JSON, an object a line.")] = False,
) -> None:
    """Run everything."""
    path = _file(config)
    if airflow is None and (username or password):
        raise typer.BadParameter("--username and --password go with --airflow")
    if airflow is not None and path is not None:
        raise typer.BadParameter("--airflow needs no file: give --airflow or --config, not both")

    from opsconsole import service
    from opsconsole.cli.serving import reader
    from opsconsole.telemetry import setup_logging

    setup_logging(as_json=log_json)
    _run(service.run(reader(path, airflow, username, password, listen), say=_say))


@app.command()
def demo(
    listen: Annotated[str, typer.Option(help="HOST:PORT of the web console.")] = "127.0.0.1:8600",
    cache: Annotated[Path | None, typer.Option(help="Where Airflow is installed and runs (default: the user's cache).")] = None,
) -> None:
    """Install and start a real local Airflow with sample Dags and the canary, and a console watching it."""
    from opsconsole.demo import showing
    from opsconsole.telemetry import setup_logging

    setup_logging("ERROR")
    _run(showing.run(listen, cache, say=_say))


@app.command()
def check(
    config: File = None,
    online: Annotated[bool, typer.Option("--online", help="Ask every deployment, and a cluster underneath, too.")] = False,
) -> None:
    """Validate the configuration and every file it names; print each problem as file:line: message."""
    from opsconsole.cli.checking import ask
    from opsconsole.config import notes
    from opsconsole.web.words import count

    loaded = _loaded(config)
    for note in notes(loaded):
        print(redacted(note))
    rules = sum(len(group.rules) for group in loaded.rule_groups)
    found = (len(loaded.config.deployments), "deployment"), (rules, "rule"), (len(loaded.dashboards), "dashboard")
    print("valid: " + ", ".join(count(number, noun) for number, noun in found))
    if online:
        _run(ask(loaded, SystemClock(), _say))


@app.command()
def migrate(config: File = None) -> None:
    """Bring the database to the newest schema."""
    from opsconsole.db import Database
    from opsconsole.db.integrity import expect_sound
    from opsconsole.db.migrate import migrate as upgrade

    async def work() -> None:
        db = Database(_loaded(config).database_url)
        try:
            await expect_sound(db, SystemClock())
            before, after = await upgrade(db)
        finally:
            await db.close()
        print(f"schema {after}: nothing to do" if before == after else f"schema {before or 'empty'} → {after}")

    _run(work())


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="The file to write.")], config: File = None) -> None:
    """Write everything that the console keeps into one file, while it runs."""
    from opsconsole.cli.backup import back_up

    _run(back_up(_loaded(config), file, _say))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that backup wrote.")],
    config: File = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what the database holds.")] = False,
) -> None:
    """Put a backup into the configured database, which no console may have open."""
    from opsconsole.cli.backup import put_back

    _run(put_back(_loaded(config), file, _say, force=force))


@app.command()
def query(
    expr: Annotated[str, typer.Argument(help="The PromQL expression.")],
    config: File = None,
    at: Annotated[str | None, typer.Option("--at", help="When: now-1h, an RFC 3339 time or Unix seconds (default: now).")] = None,
    start: Annotated[str | None, typer.Option(help="From when; a range query.")] = None,
    end: Annotated[str | None, typer.Option(help="Until when (default: now).")] = None,
    step: Annotated[str | None, typer.Option(help="How far apart, like 15s (default: about 240 steps).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As Prometheus' HTTP API answers.")] = False,
) -> None:
    """Evaluate PromQL on what the configured console has stored."""
    from opsconsole.cli.answers import told
    from opsconsole.cli.query import ask, asked, reading

    clock, loaded = SystemClock(), _loaded(config)
    now = clock.now()
    when = _typed(lambda: asked(now, at, start, end, step))

    async def work() -> None:
        async with reading(loaded, clock) as querier:
            told(await ask(querier, expr, when), now if not isinstance(when, datetime) else when, as_json=as_json)

    _run(work())


def _typed(read: Callable[[], T]) -> T:
    """What was typed, or the complaint that it was not understood."""
    try:
        return read()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command("test-rules")
def run_rule_tests(
    files: Annotated[list[Path], typer.Argument(help="Unit tests in promtool's format.")], config: File = None
) -> None:
    """Run rule unit tests, in the PromQL of the configuration."""
    from opsconsole.engine import promql_settings
    from opsconsole.rules.unittests import run_files

    failures = run_files(files, promql_settings(_loaded(config)))
    for failure in failures:
        print(failure)
    if failures:
        raise typer.Exit(1)
    print(f"{len(files)} {'file' if len(files) == 1 else 'files'}: all passed")


@notify_app.command("test")
def notify_test(receiver: str, config: File = None) -> None:
    """Send a test notice to RECEIVER through the real path; print what each far end answered."""
    import httpx

    from opsconsole.model import OpsConsoleError
    from opsconsole.notify.outgoing import guarded
    from opsconsole.notify.testing import send_test

    loaded = _loaded(config)
    found = [one for one in loaded.config.alerting.receivers if one.name == receiver]
    if not found:
        known = ", ".join(one.name for one in loaded.config.alerting.receivers) or "none is configured"
        raise OpsConsoleError(f"there is no receiver {receiver!r}; known: {known}")

    async def work() -> None:
        async with guarded(httpx.AsyncClient(timeout=15)) as http:
            tried = await send_test(found[0], http, SystemClock(), loaded.config.server.address)
        for one in tried:
            outcome = "delivered" if one.delivered else "failed"
            print(redacted(f"{one.integration}: {outcome} in {one.seconds * 1000:.0f} ms: {one.answer}"))
        if not all(one.delivered for one in tried):
            raise typer.Exit(1)

    _run(work())


@routes_app.command("test")
def routes_test(
    labels: Annotated[list[str] | None, typer.Argument(help="The alert's labels, like severity=critical.")] = None,
    config: File = None,
    as_tree: Annotated[bool, typer.Option("--tree", help="Print the routes that lead there too.")] = False,
    expected: Annotated[str | None, typer.Option("--verify", help="Receivers, with commas between; others are a no.")] = None,
) -> None:
    """Print the receivers that an alert with these labels reaches, in the order of the tree."""
    from opsconsole.alerts.routing import build
    from opsconsole.cli import routes

    wanted = _typed(lambda: routes.labels_of(labels or []))
    root = build(_loaded(config).config.alerting)
    if as_tree:
        print("\n".join(routes.tree(root, wanted)))
    reached = ",".join(routes.receivers(root, wanted))
    print(reached)
    if expected is not None and expected != reached:
        _fail(f"expected {expected}, but the alert reaches {reached}")


@app.command()
def silence(
    matchers: Annotated[list[str] | None, typer.Argument(help='Whom: severity=info, or dag_id=~"orders_.*".')] = None,
    config: File = None,
    lasting: Annotated[str, typer.Option("--for", help="How long, from now on.")] = "1h",
    until: Annotated[str | None, typer.Option(help="Until when instead: an RFC 3339 time or Unix seconds.")] = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    author: Annotated[str | None, typer.Option(help="Who (default: your login name).")] = None,
    show: Annotated[
        bool, typer.Option("--list", help="List the silences that hold or will, those with MATCHERS if given.")
    ] = False,
    expire: Annotated[str | None, typer.Option(help="End the silence with this id instead.")] = None,
    url: Annotated[str | None, typer.Option(envvar="OPSCONSOLE_URL", help="The console (default: the configured one).")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="OPSCONSOLE_API_KEY", help="Of role operator or admin.")] = None,
) -> None:
    """Silence alerts on the running console; print the silence's id."""
    from opsconsole.cli import silences

    clock = SystemClock()
    if expire is not None and (matchers or show):
        raise typer.BadParameter("--expire stands alone")
    if not (matchers or show or expire):
        raise typer.BadParameter("say what to silence, like deployment=prod, or give --list or --expire")
    wanted = _typed(lambda: silences.matchers_of(matchers or []))
    far_end = silences.far_end(url, api_key, lambda: _loaded(config))
    if expire is not None:
        _run(silences.expire(far_end, expire))
    elif show:
        _run(silences.show(far_end, wanted, _say))
    else:
        ends = _typed(lambda: silences.end_of(clock.now(), lasting, until))
        if not comment:
            raise typer.BadParameter("say why, with --comment")
        _run(silences.create(far_end, wanted, clock.now(), ends, silences.author(author), comment, _say))


def _say(line: str) -> None:
    print(line, flush=True)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
