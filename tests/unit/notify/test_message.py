"""What messages say."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opsconsole.model import Alert, AlertState, Labels, Notification, Occasion
from opsconsole.notify.blocks import blocks, escaped, fallback_text, reply
from opsconsole.notify.message import Fact, compose, failing_history, in_words
from opsconsole.notify.rendering import as_html, as_text
from opsconsole.notify.runbooks import Runbooks, first_steps
from opsconsole.notify.sending import Letter
from tests.support.clock import NOON

TASK = Labels(
    alertname="AirflowTaskFailed",
    severity="critical",
    deployment="prod",
    dag_id="daily_sales",
    task_id="load",
    run_id="scheduled__1",
)
TEXTS = {
    "summary": "prod: daily_sales.load · failed, try 3 of 3",
    "error": "psycopg.OperationalError: connection refused",
    "try": "3 of 3",
    "owner": "data-platform",
    "run_type": "scheduled",
    "log_url": "http://airflow.test/log",
    "runbook_url": "docs/runbooks/task-failed.md",
}
BASE = "http://console.test/ops"


def alert(labels: Labels = TASK, **texts: str) -> Alert:
    return Alert(labels, "failures/prod", AlertState.FIRING, NOON, {**TEXTS, **texts}, fired_at=NOON)


def notification(*alerts: Alert, **more: Any) -> Notification:
    given = {"occasion": Occasion.OPENED, "at": NOON + timedelta(seconds=75), "closed_at": None, "resolved": ()} | more
    labels = TASK.only("deployment", "alertname", "dag_id")
    return Notification(key="k", incident_id=7, receiver="r", group_labels=labels, opened_at=NOON, firing=alerts, **given)


def test_the_title_names_severity_deployment_and_what() -> None:
    assert compose(notification(alert()), BASE).title == "[CRIT] prod · daily_sales.load · failed, try 3 of 3"


def test_no_title_is_longer_than_80() -> None:
    assert len(compose(notification(alert(summary="x" * 500)), BASE).title) == 80


def test_facts_come_in_the_order_a_reader_asks() -> None:
    message = compose(notification(alert()), BASE)
    assert [(fact.name, fact.value) for fact in message.facts] == [
        ("Deployment", "prod"),
        ("Dag", "daily_sales"),
        ("Task", "load"),
        ("Run", "scheduled__1"),
        ("Run type", "scheduled"),
        ("Try", "3 of 3"),
        ("Owner", "data-platform"),
    ]
    assert message.verdict == "Firing since 12:00:00 UTC (1 min 15 s)."
    assert message.error == TEXTS["error"]


def test_the_history_says_whether_a_failure_is_news() -> None:
    success = (NOON - timedelta(days=2)).isoformat()
    message = compose(notification(alert(failed_in_a_row="3", last_success=success), at=NOON), BASE)
    assert message.facts[-1] == Fact("History", "3rd failed run in a row, last success 2 d ago")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("1", "first failed run, no success on record"),
        ("2", "2nd failed run in a row, no success on record"),
        ("11", "11th failed run in a row, no success on record"),
        ("112", "112th failed run in a row, no success on record"),
        ("121", "121st failed run in a row, no success on record"),
        ("", ""),
        ("many", ""),
    ],
)
def test_a_streak_is_counted_in_words(place: str, told: str) -> None:
    assert failing_history({"failed_in_a_row": place, "last_success": "yesterday"}, NOON) == told


def test_runs_that_failed_differently_often_tell_no_history_as_one() -> None:
    message = compose(notification(alert(failed_in_a_row="3"), alert(failed_in_a_row="4")), BASE)
    assert "History" not in [fact.name for fact in message.facts]


def test_links_go_to_incident_log_and_runbook() -> None:
    assert [(link.text, link.url) for link in compose(notification(alert()), BASE).links] == [
        ("Incident", f"{BASE}/incidents/7"),
        ("Log", "http://airflow.test/log"),
        ("Runbook", f"{BASE}/docs/runbooks/task-failed"),
    ]


def test_a_link_that_is_no_web_address_is_left_out() -> None:
    message = compose(notification(alert(log_url="javascript:alert(1)", runbook_url="")), BASE)
    assert [link.text for link in message.links] == ["Incident"]


def test_a_group_lists_ten_and_counts_the_rest() -> None:
    many = [alert(TASK.merged({"task_id": f"t{n}"})) for n in range(25)]
    message = compose(notification(*many), BASE)
    assert (len(message.lines), message.more) == (10, 15)
    assert message.title.endswith("(+24 more)")
    assert "Task" not in [fact.name for fact in message.facts]


def test_runs_in_which_the_same_task_failed_are_told_apart_and_share_their_error() -> None:
    message = compose(notification(alert(), alert(TASK.merged({"run_id": "manual__2"}))), BASE)
    assert [line.text.rpartition(" · ")[2] for line in message.lines] == ["scheduled__1", "manual__2"]
    assert message.error == TEXTS["error"]


def test_errors_that_differ_stand_each_with_its_alert() -> None:
    other = alert(TASK.merged({"run_id": "manual__2"}), error="KeyError:\n 'region'")
    message = compose(notification(alert(), other), BASE)
    assert message.error == ""
    assert [line.text.split(" · ")[-2:] for line in message.lines] == [
        ["scheduled__1", TEXTS["error"]],
        ["manual__2", "KeyError: 'region'"],
    ]


def test_a_step_is_never_cut_within_a_command() -> None:
    [step] = compose(notification(alert()), BASE, lambda _: ("look " * 67 + "`airflow dags list-runs -d daily_sales`",)).steps
    assert step == "look " * 67 + "…"


def test_a_long_list_of_a_step_ends_after_a_whole_item() -> None:
    text = "See why: • it waits: `airflow pools list` • " + "it failed; " * 30 + "`airflow tasks logs` • it is gone"
    [step] = compose(notification(alert()), BASE, lambda _: (text,)).steps
    assert step == "See why: • it waits: `airflow pools list` • …"


def test_a_resolved_message_says_how_long_it_lasted_without_the_waiting() -> None:
    ended = replace(
        alert(description="Nothing is being loaded."),
        state=AlertState.RESOLVED,
        absent_since=NOON + timedelta(minutes=4),
        resolved_at=NOON + timedelta(minutes=4, seconds=30),
    )
    told = notification(occasion=Occasion.RESOLVED, resolved=(ended,), closed_at=ended.resolved_at)
    message = compose(told, BASE, lambda _: ("do",))
    assert message.verdict == "Resolved after 4 min: 12:00:00 UTC to 12:04:00 UTC."
    assert message.title.startswith("[RESOLVED]")
    assert message.steps == ()
    assert (message.description, compose(notification(alert(description="No data.")), BASE).description) == ("", "No data.")


def test_a_group_without_a_summary_is_named_by_its_labels() -> None:
    plain = Alert(Labels(alertname="AirflowPoolStarved", deployment="prod", pool="etl"), "s", AlertState.FIRING, NOON)
    assert compose(notification(plain), BASE).title == "[WARN] prod · airflow pool starved etl"


def test_nothing_in_a_text_becomes_slack_markup_or_html() -> None:
    nasty = "<!channel> <script>alert(1)</script> ```*x*"
    message = compose(notification(alert(summary=nasty, error=nasty, owner=nasty)), BASE)
    header, *parsed = blocks(message)
    assert header["text"]["type"] == "plain_text"
    assert "<!channel>" not in str(parsed) + fallback_text(message)
    assert "<script>" not in str(parsed) + fallback_text(message)
    html = as_html(message)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert nasty in as_text(message)


def test_a_steps_commands_are_code_in_html_and_stay_harmless() -> None:
    html = as_html(compose(notification(alert()), BASE, lambda _: ("See it: `ps -e` `rm <x>`, then ask",)))
    assert ">ps -e</code> <code " in html
    assert ">rm &lt;x&gt;</code>, then ask</li>" in html
    assert "`" not in html


def test_blocks_stay_within_slacks_limits() -> None:
    long = "<&>" * 3000
    many = [alert(TASK.merged({"task_id": f"{long}{n}"}), summary=long, description=long, error=long) for n in range(30)]
    for group in (many, many[:1]):
        made = blocks(compose(notification(*group), BASE, lambda _: (long, long, long)))
        assert len(made) <= 50
        for block in made:
            assert len(block.get("text", {}).get("text", "")) <= (150 if block["type"] == "header" else 3000)
            assert all(0 < len(field["text"]) <= 2000 for field in block.get("fields", []))


def test_slack_gets_whole_lines_with_whole_links_and_the_number_of_the_others() -> None:
    def long(n: int) -> Alert:
        url = f"https://airflow.example.com/dags/{'d' * 200}/runs/{'r' * 200}/tasks/t{n}"
        return alert(TASK.merged({"task_id": f"t{n}"}), summary=f"task {n} failed", log_url=url)

    made = blocks(compose(notification(*map(long, range(25))), "http://console.test"))
    texts = [block["text"]["text"] for block in made if block["type"] == "section" and "text" in block]
    [text] = [text for text in texts if "task 0 failed" in text]
    *lines, rest = text.split("\n")
    assert len(text) <= 3000
    assert 3 <= len(lines) < 10
    assert all(re.fullmatch(r"■ <https://\S+\|task \d+ failed> \(since .*\)", line) for line in lines)
    assert rest == f"… and {25 - len(lines)} more"


def test_a_link_too_long_for_slack_is_left_out_whole() -> None:
    one = alert(log_url="https://airflow.example.com/" + "x" * 3500, runbook_url="docs/runbooks/task-failed.md")
    links = blocks(compose(notification(one), "http://console.test"))[-1]["elements"][0]["text"]
    assert links.startswith("<http://console.test/incidents/")
    assert links.endswith("|Runbook>")
    assert "xxx" not in links


def test_a_thread_s_reply_tells_whole_lines_and_counts_the_others() -> None:
    many = [alert(TASK.merged({"task_id": f"t{n}"}), summary=f"{n} " + "&" * 190) for n in range(40)]
    changed = notification(*many, occasion=Occasion.CHANGED)
    said = reply(Letter(changed, compose(changed, "http://console.test"), {"firing": []})).split("\n")
    assert len("\n".join(said)) <= 3000
    assert all(line.count("&amp;") == 190 for line in said[:-1])
    assert said[-1] == f"… and {40 - len(said) + 1} more"


def test_text_holds_error_steps_and_links() -> None:
    text = as_text(compose(notification(alert()), BASE, lambda _: ("look", "act")))
    assert "Error: psycopg.OperationalError" in text
    assert "1. look\n2. act\n" in text
    assert f"Incident: {BASE}/incidents/7" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (252, "4 min 12 s"), (3600, "1 h"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h"), (-5, "0 s")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


RUNBOOK = """# Task failed
## What it means
1. not a step
## First steps
1. Open the log:
   `airflow tasks logs`
2. Try it:

   ```sh
   airflow tasks test
   # 9. not a step
   ```
3) Ask the owner.
4. A fourth.
## How to see that it is over
1. green
"""


def test_the_first_three_steps_are_read() -> None:
    assert first_steps(RUNBOOK) == (
        "Open the log: `airflow tasks logs`",
        "Try it: `airflow tasks test` `# 9. not a step`",
        "Ask the owner.",
    )


def test_a_list_within_a_step_and_its_links_become_plain_text() -> None:
    text = "## First steps\n1. See why:\n   * it waits: `airflow pools list`\n   - it failed; see [task failed](task-failed.md)\n"
    assert first_steps(text) == ("See why: • it waits: `airflow pools list` • it failed; see task failed",)


def test_runbooks_elsewhere_or_missing_have_no_steps() -> None:
    nowhere = Runbooks(None)
    assert nowhere.steps("docs/runbooks/x.md") == nowhere.steps("https://wiki.test/x.md") == ()


def test_slacks_control_characters_are_escaped_once() -> None:
    assert escaped("a<b>&c") == "a&lt;b&gt;&amp;c"
