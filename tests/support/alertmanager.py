"""A real Alertmanager and its command-line tool, and a console that serves the same API, to hold one against the other."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.alerts.settings import Alerting
from opsconsole.alerts.silencing import Silences
from opsconsole.clock import Clock
from opsconsole.db import Database
from opsconsole.notify.settings import Receiver, integrations
from opsconsole.telemetry import Telemetry
from opsconsole.web.app import create_app
from opsconsole.web.settings import ApiKey, AuthSettings
from tests.support.airflow import eventually
from tests.support.clock import FakeClock
from tests.support.postgres import free_port
from tests.support.serving import served
from tests.support.web import console

AVAILABLE = bool(shutil.which("prometheus-alertmanager") and shutil.which("amtool"))
KEYS = {role: f"a-key-for-{role}" for role in ("viewer", "operator", "admin")}


class Alertmanager:
    """`prometheus-alertmanager` on loopback, alone; its files stand in `folder`."""

    def __init__(self, folder: Path, configuration: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._port = folder, free_port()
        self.file = folder / "alertmanager.yml"
        self.file.write_text(yaml.safe_dump(dict(configuration)))
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Alertmanager":
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus-alertmanager",
                    f"--config.file={self.file}",
                    f"--storage.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )
        eventually("the Alertmanager is ready", self._ready)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        return httpx.get(f"{self.url}/-/ready", timeout=10, trust_env=False).status_code == 200


@dataclass(frozen=True)
class Standing:
    """A console whose API is served at `url`; nothing is dispatched unless the test does it."""

    url: str
    keeper: AlertKeeper
    silences: Silences


@asynccontextmanager
async def standing(db: Database, clock: Clock, receivers: list[Mapping[str, Any]], **alerting: Any) -> AsyncIterator[Standing]:
    """A console whose `alerting` is written as in the configuration file."""
    parsed = [Receiver.model_validate(one) for one in receivers]
    settings = Alerting.model_validate(alerting)
    silences = Silences(db, clock)
    keeper = AlertKeeper(db, clock, Telemetry(), settings, integrations(parsed), silences)
    await silences.open()
    await keeper.open()
    keys = tuple(ApiKey.model_validate({"name": role, "key": key, "role": role}) for role, key in KEYS.items())
    made = console(
        db,
        FakeClock(),
        auth=AuthSettings(api_keys=keys),
        keeper=keeper,
        silences=silences,
        alerting=settings,
        receivers=tuple(parsed),
    )
    async with served(create_app(replace(made, clock=clock))) as url:
        yield Standing(f"{url}/alertmanager", keeper, silences)


@dataclass(frozen=True)
class Said:
    """What `amtool` printed, and its exit status."""

    status: int
    out: str
    err: str


async def amtool(url: str, *arguments: str) -> Said:
    """Run it against the Alertmanager at `url`; a name and password in there are shown."""
    process = await asyncio.create_subprocess_exec(
        "amtool",
        f"--alertmanager.url={url}",
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "HOME": os.devnull, "TZ": "UTC"},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())
