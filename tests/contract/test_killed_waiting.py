"""An alert that waits for its `for` goes on waiting after `kill -9`, and `ALERTS_FOR_STATE` says since when."""

from pathlib import Path

import pytest
import yaml

from tests.support.airflow import eventually
from tests.support.console import ConsoleProcess

API = "/prometheus/api/v1"
RULES = {"groups": [{"name": "g", "interval": "1s", "rules": [{"alert": "Waits", "expr": "vector(1)", "for": "1h"}]}]}


def since(console: ConsoleProcess) -> tuple[float, float] | None:
    """When it was last evaluated, and since when it is active then."""
    found = console.get(f"{API}/query", query='timestamp(ALERTS_FOR_STATE{alertname="Waits"})').json()["data"]["result"]
    value = console.get(f"{API}/query", query='ALERTS_FOR_STATE{alertname="Waits"}').json()["data"]["result"]
    return (float(found[0]["value"][1]), float(value[0]["value"][1])) if found and value else None


def told(console: ConsoleProcess) -> list[tuple[str, str]]:
    return [(alert["state"], alert["activeAt"]) for alert in console.get(f"{API}/alerts").json()["data"]["alerts"]]


@pytest.mark.timeout(300)
def test_an_alert_that_waits_goes_on_waiting_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "waits.yaml").write_text(yaml.safe_dump(RULES))
    console = ConsoleProcess(tmp_path, rules={"files": ["waits.yaml"]}).start()
    try:
        before = eventually("it waits", lambda: since(console))
        [waiting] = told(console)
        eventually("that is on disk", lambda: console.rows("select 1 from alerts where open_fingerprint is not null"))
        console.kill()
        console.start()
        [_, started] = console.get(f"{API}/query", query="time()").json()["data"]["result"]
        after = eventually("it is evaluated again", lambda: (found := since(console)) and found[0] > float(started) and found)
        assert told(console) == [waiting]
        assert waiting[0] == "pending"
        assert after[1] == before[1]
        assert after[0] > before[0] >= before[1]
    finally:
        console.kill()
