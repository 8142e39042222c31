"""The demo: Airflow, the stand-ins for Slack and a mail server, and the console, started together and ended together."""

import asyncio
import contextlib
import fcntl
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from platformdirs import user_cache_path

from opsconsole import content, service
from opsconsole.clock import Clock, SystemClock
from opsconsole.config import Loaded, from_document
from opsconsole.demo import mail_standin
from opsconsole.demo.airflow import LocalAirflow, Ports
from opsconsole.demo.environment import airflow_environment
from opsconsole.demo.inbox import FarEnds
from opsconsole.documents import Document
from opsconsole.model import OpsConsoleError
from opsconsole.web.serving import bound

VERSION = "3.3.2"
FILE = "opsconsole.yaml"
Say = Callable[[str], None]


async def run(listen: str, cache: Path | None, say: Say) -> None:
    """Run until interrupted; nothing is left running after it."""
    mail_standin.require()
    home = (cache or user_cache_path("opsconsole")) / "demo"
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        _forget(home)
        await _show(listen, home, cache, say)


async def _show(listen: str, home: Path, cache: Path | None, say: Say) -> None:
    clock = SystemClock()
    bin_folder = await asyncio.to_thread(airflow_environment, VERSION, say, cache)
    async with FarEnds(home) as far_ends:
        ports = Ports(*(_free_port() for _ in range(5)))
        ping_key = secrets.token_urlsafe(16)
        ping_url = f"http://{listen}/ping/{ping_key}/canary"
        airflow = LocalAirflow(bin_folder, home / "airflow", ports, {"OPSCONSOLE_PING_URL": ping_url})
        loaded = _configuration(home, listen, airflow, ports, ping_key, far_ends)
        bound(loaded.config.server.host, loaded.config.server.port).close()  # before Airflow is started for nothing
        say("Starting Airflow: healthy in about half a minute; the console sees it come up, and may first tell that it is silent")
        await airflow.start(_dags())
        say(f"Airflow's own pages: {airflow.url}/ (admin / {airflow.password})")
        say(f"What Slack and the mail server receive: {far_ends.url}")
        say(f"Its configuration, for other commands meanwhile: opsconsole query airflow_component_up --config {home / FILE}")
        introduction = asyncio.create_task(_introduce(airflow, clock, say))
        try:
            await service.run(lambda: loaded, say)
        finally:
            say("Stopping Airflow")
            introduction.cancel()
            await asyncio.gather(introduction, return_exceptions=True)
            await airflow.stop()


def _forget(home: Path) -> None:
    """Each showing begins anew, so that its login can be told."""
    for old in home.glob("opsconsole.db*"):
        old.unlink()


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two demos would pull the files from under each other. The lock ends with the process, however it ends."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OpsConsoleError(f"a demo is running in {home}: end it, or choose another folder with --cache") from error
        yield


def _dags() -> list[Path]:
    samples = sorted((Path(__file__).parent / "dags").glob("*.py"))
    return [*samples, content.folder("canary_dags") / "opsconsole_canary.py"]


async def _introduce(airflow: LocalAirflow, clock: Clock, say: Say) -> None:
    """Once Airflow is up, say so. What hinders it is said at once, and the console goes on: it shows what it sees of it."""
    try:
        await airflow.healthy(clock)
        await _make_pool(airflow, clock)
    except (OpsConsoleError, httpx.HTTPError) as error:
        say(f"The sample Airflow is not as it should be: {error}")
    else:
        say("Airflow is healthy; the sample Dags and the canary run by themselves. Ctrl-C ends everything.")


async def _make_pool(airflow: LocalAirflow, clock: Clock) -> None:
    """The pool that the starved sample Dag waits for. Tried again: Airflow's SQLite is often locked while it starts."""
    for pause in (2, 4, 8, 16):
        try:
            await _post_pool(airflow)
        except httpx.HTTPError:
            await clock.sleep(pause)
        else:
            return
    await _post_pool(airflow)


async def _post_pool(airflow: LocalAirflow) -> None:
    async with httpx.AsyncClient(base_url=airflow.url, timeout=30, trust_env=False) as http:
        login = await http.post("/auth/token", json={"username": "admin", "password": airflow.password})
        headers = {"Authorization": f"Bearer {login.raise_for_status().json()['access_token']}"}
        pool = {"name": "one_slot", "slots": 1, "description": "Six tasks want it", "include_deferred": False}
        answer = await http.post("/api/v2/pools", json=pool, headers=headers)
        if answer.status_code not in (201, 409):
            answer.raise_for_status()


def _free_port() -> int:
    with bound("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


def _configuration(home: Path, listen: str, airflow: LocalAirflow, ports: Ports, ping_key: str, far_ends: FarEnds) -> Loaded:
    """Written down as well, for the commands that ask beside the console."""
    sections: dict[str, Any] = {
        "server": {"listen": listen},
        "storage": {"url": f"sqlite:///{home / 'opsconsole.db'}"},
        "listeners": {"statsd": {"listen": f"127.0.0.1:{ports.statsd}"}},
        "deployments": [
            {
                "name": "demo",
                "url": airflow.url,
                "auth": {"username": "admin", "password": airflow.password},
                "components": {
                    "scheduler": {"expected": 1, "health_url": f"http://127.0.0.1:{ports.scheduler_health}/health"},
                    "triggerer": {"expected": 1},
                },
            }
        ],
        "heartbeats": {
            "ping_key": ping_key,
            "checks": [
                {"slug": "canary", "name": "Canary", "deployment": "demo", "period": "1m", "grace": "1m", "tags": ["canary"]}
            ],
        },
        "slas": [
            {"name": "transform in 45 s", "deployment": "demo", "dags": ["sample_slow"], "max_duration": "45s"},
            {"name": "sales fresh", "deployment": "demo", "dags": ["sample_success"], "freshness": "10m"},
        ],
        "alerting": {
            "route": {"receiver": "oncall"},
            "receivers": [
                {
                    "name": "oncall",
                    "slack": {"token": far_ends.slack_token, "channel": "#data-oncall", "api_url": far_ends.slack_url},
                    "email": {"to": ["oncall@example.com"], "from": "opsconsole@example.com", "smarthost": far_ends.smarthost},
                }
            ],
        },
    }
    file = home / FILE
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
    return from_document(Document("(demo)", sections, {}), home, {})
