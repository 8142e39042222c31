from datetime import timedelta
from typing import Any

from opsconsole.db.overview import AlertRow, AttemptRow, DeliveryRow, IncidentRow, TransitionRow
from opsconsole.web.timeline import timeline
from tests.support.clock import NOON

SECOND = timedelta(seconds=1)
LABELS = {"alertname": "AirflowSchedulerDown", "component": "scheduler"}


def incident(**values: Any) -> IncidentRow:
    plain: dict[str, Any] = dict.fromkeys(IncidentRow.__dataclass_fields__)
    return IncidentRow(**{**plain, "opened_at": NOON, **values})


def alert() -> AlertRow:
    plain: dict[str, Any] = dict.fromkeys(AlertRow.__dataclass_fields__)
    return AlertRow(**{**plain, "active_at": NOON - 13 * SECOND, "labels": LABELS})


def delivery(*attempts: AttemptRow) -> DeliveryRow:
    return DeliveryRow(1, "oncall", "slack", "opened", "sent", NOON, NOON, NOON, attempts)


def test_the_story_is_told_in_order_with_reasons_and_answers() -> None:
    changes = [
        TransitionRow(NOON, "pending", "firing", "it lasted for 10s", LABELS),
        TransitionRow(NOON + 600 * SECOND, "firing", "resolved", "no longer found", LABELS),
    ]
    failed = AttemptRow(NOON + SECOND, 1.0, "retry", "HTTP 500")
    sent = AttemptRow(NOON + 6 * SECOND, 0.25, "delivered", "ok")
    story = timeline(incident(closed_at=NOON + 601 * SECOND), [alert()], changes, [delivery(failed, sent)])
    assert [(event.text, event.kind, event.note) for event in story] == [
        ("first seen", "plain", ""),
        ("AirflowSchedulerDown · scheduler fired", "down", "it lasted for 10s"),
        ("oncall/slack: not delivered, will be tried again", "failed", "HTTP 500"),
        ("oncall/slack: message sent (250 ms)", "sent", ""),
        ("AirflowSchedulerDown · scheduler resolved", "ok", "no longer found"),
        ("incident closed; it lasted 10 min 1 s", "ok", ""),
    ]


def test_what_many_alerts_did_together_is_one_line() -> None:
    changes = [TransitionRow(NOON, "pending", "firing", "", {"alertname": "X", "dag_id": str(n)}) for n in range(40)]
    assert [event.text for event in timeline(incident(), [], changes, [])] == ["40 alerts fired"]
