"""The last error line of logs of both generations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.airflow.logs import last_error_line

HEAD = "[2026-11-20T07:21:39.016+0000] {taskinstance.py:2632} "


def v2(*lines: str, host: str = "vm") -> str:
    return repr([(host, "\n".join(lines))])


def test_2x_ends_with_the_exception_under_its_traceback() -> None:
    log = v2(
        f"{HEAD}INFO - Starting attempt 1 of 3",
        f"{HEAD}ERROR - Task failed with exception",
        "Traceback (most recent call last):",
        '  File "/opt/lab.py", line 3, in boom',
        '    raise RuntimeError("intentional failure")',
        "RuntimeError: intentional failure",
        f"{HEAD}INFO - Marking task as UP_FOR_RETRY",
    )
    assert last_error_line(log) == "RuntimeError: intentional failure"


def test_the_task_s_own_failure_counts_more_than_a_callback_s() -> None:
    log = v2(
        f"{HEAD}ERROR - Task failed with exception",
        "Traceback (most recent call last):",
        '  File "x", line 1, in y',
        "airflow.exceptions.AirflowException: Bash command failed. The command returned a non-zero exit code 1.",
        f"{HEAD}ERROR - Error when executing on_failure_callback",
        "Traceback (most recent call last):",
        "KeyError: 'slack'",
    )
    assert (
        last_error_line(log)
        == "airflow.exceptions.AirflowException: Bash command failed. The command returned a non-zero exit code 1."
    )


def test_of_chained_exceptions_the_last_one_is_the_one_raised() -> None:
    log = v2(
        f"{HEAD}ERROR - Task failed with exception",
        "Traceback (most recent call last):",
        "ConnectionError: refused",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        "LoadFailed: orders",
        f"{HEAD}INFO - done",
    )
    assert last_error_line(log) == "LoadFailed: orders"


def test_without_a_traceback_the_last_error_logged_is_told() -> None:
    log = v2(f"{HEAD}ERROR - first", f"{HEAD}ERROR - Task is killed: out of memory", f"{HEAD}INFO - bye")
    assert last_error_line(log) == "Task is killed: out of memory"


@pytest.mark.parametrize(
    "content", ["", "[]", "nonsense", "[('vm', '*** Could not read served logs')]", [], [None, 3], "[" * 5000]
)
def test_a_log_that_does_not_tell_has_none(content: object) -> None:
    assert last_error_line(content) is None


def test_3x_tells_the_exception_raised_and_not_its_cause() -> None:
    detail = [
        {"exc_type": "LoadFailed", "exc_value": "orders\nmore"},
        {"exc_type": "OSError", "exc_value": "no", "is_cause": True},
    ]
    records = [
        {"event": "Task failed with exception", "level": "error", "error_detail": detail},
        {"event": "callback", "level": "error", "error_detail": [{"exc_type": "KeyError", "exc_value": "'x'"}]},
    ]
    assert last_error_line(records) == "LoadFailed: orders"


def test_3x_without_an_exception_tells_the_last_error_logged() -> None:
    records = [{"event": "slow", "level": "warning"}, {"event": "Process terminated by signal 9", "level": "critical"}]
    assert last_error_line(records) == "Process terminated by signal 9"


def test_secrets_are_masked_and_the_line_is_bounded() -> None:
    records = [{"event": "password=hunter22 fails at postgresql://joe:hunter22@db/x " + "y" * 5000, "level": "error"}]
    line = last_error_line(records)
    assert line is not None
    assert "hunter22" not in line
    assert len(line) <= 400


@given(st.one_of(st.text(), st.lists(st.one_of(st.text(), st.none(), st.dictionaries(st.text(), st.text())))))
def test_no_log_makes_it_fail(content: object) -> None:
    line = last_error_line(content)
    assert line is None or "\n" not in line
