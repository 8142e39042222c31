"""A real Prometheus sends its alerts to the console as to an Alertmanager."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.model import Alert
from tests.support.alertmanager import KEYS, Standing, standing
from tests.support.postgres import free_port

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")

RULES = {
    "groups": [
        {
            "name": "always",
            "interval": "1s",
            "rules": [
                {
                    "alert": "Always",
                    "expr": "vector(7) > 0",
                    "labels": {"severity": "warning", "deployment": "prod"},
                    "annotations": {"summary": "it is {{ $value }}"},
                }
            ],
        }
    ]
}


@asynccontextmanager
async def sending(folder: Path, console: Standing) -> AsyncIterator[None]:
    """A Prometheus whose one alert always fires."""
    (folder / "rules.yml").write_text(yaml.safe_dump(RULES))
    target: dict[str, Any] = {
        "path_prefix": "/alertmanager",
        "authorization": {"credentials": KEYS["operator"]},
        "static_configs": [{"targets": [urlsplit(console.url).netloc]}],
    }
    config = {"rule_files": ["rules.yml"], "alerting": {"alertmanagers": [target]}}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{free_port()}",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)


async def test_the_alert_of_a_prometheus_fires_in_the_console_with_its_texts_and_its_link(db: Database, tmp_path: Path) -> None:
    async with standing(db, SystemClock(), [], route={}) as console, sending(tmp_path, console):
        alert = await first_alert(console)
    assert dict(alert.labels) == {"alertname": "Always", "severity": "warning", "deployment": "prod"}
    assert (alert.scope, alert.annotations) == ("posted", {"summary": "it is 7"})
    assert "/graph?g0.expr=vector" in alert.generator_url
    assert alert.ends_at is not None
    assert alert.ends_at > alert.active_at
    assert not alert.times_out


async def first_alert(console: Standing) -> Alert:
    async with asyncio.timeout(240):
        while not console.keeper.alerts():
            await asyncio.sleep(0.1)
    return console.keeper.alerts()[0]
