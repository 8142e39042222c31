from opsconsole.heartbeats.state import condition
from opsconsole.heartbeats.watch import finding, samples
from opsconsole.model import Labels
from tests.support.clock import NOON
from tests.unit.heartbeats.builders import MINUTE, check, pinged


def test_silence_names_how_long_the_last_ping_and_its_sender() -> None:
    silent = pinged(check(), "success", NOON)
    wrong = finding(silent, condition(silent, NOON + 30 * MINUTE))
    assert wrong.labels == Labels(alertname="HeartbeatMissed", severity="high", deployment="prod", slug="prod-canary")
    assert wrong.since == NOON + 7 * MINUTE
    assert wrong.annotations["summary"] == "Canary is silent: no ping since 2026-03-01 12:00:00 UTC"
    assert "from 10.0.0.7" in wrong.annotations["description"]
    assert wrong.annotations["runbook_url"] == "docs/runbooks/heartbeat-missed.md"


def test_a_finding_says_the_same_for_as_long_as_it_lasts() -> None:
    silent = pinged(check(), "success", NOON)
    assert finding(silent, condition(silent, NOON + 8 * MINUTE)) == finding(silent, condition(silent, NOON + 80 * MINUTE))


def test_a_silent_canary_is_critical() -> None:
    canary = check(tags=("canary",))
    assert finding(canary, condition(canary, NOON + 8 * MINUTE)).labels["severity"] == "critical"


def test_a_check_without_deployment_has_no_such_label() -> None:
    alone = check(deployment="")
    assert "deployment" not in finding(alone, condition(alone, NOON + 8 * MINUTE)).labels


def test_a_reported_failure_is_an_alert_of_its_own() -> None:
    failed = pinged(check(), "fail", NOON + MINUTE)
    assert finding(failed, condition(failed, NOON + MINUTE)).labels["alertname"] == "HeartbeatFailed"


def test_an_overrun_says_when_the_run_began() -> None:
    running = pinged(pinged(check(), "success", NOON), "start", NOON + MINUTE)
    text = finding(running, condition(running, NOON + 5 * MINUTE)).annotations["summary"]
    assert text == "Canary started at 2026-03-01 12:01:00 UTC and did not end within 2m"


def test_a_new_check_has_no_up_sample() -> None:
    new = check()
    assert list(samples(new, condition(new, NOON), NOON)) == []


def test_an_up_check_has_its_last_ping_as_a_timestamp() -> None:
    up = pinged(check(), "success", NOON)
    got = {sample.name: sample.value for sample in samples(up, condition(up, NOON), NOON)}
    assert got == {
        "opsconsole_heartbeat_up": 1.0,
        "opsconsole_heartbeat_last_ping_timestamp_seconds": NOON.timestamp(),
    }
