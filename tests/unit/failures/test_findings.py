from dataclasses import replace
from datetime import timedelta

from opsconsole.db.tries import Try
from opsconsole.failures.findings import Speaker
from opsconsole.failures.judge import Failure, Successes, standing
from opsconsole.failures.settings import Settings
from opsconsole.model import DagRun
from tests.support.clock import NOON

HOUR = timedelta(hours=1)
RUN = DagRun("orders", "r1", "failed", "scheduled", NOON - HOUR, NOON - HOUR, None, NOON - HOUR, NOON)
TRY = Try("orders", "r1", "load", -1, 3, "failed", 3, "", "", "", "", None, NOON - HOUR, NOON, NOON, "boom", NOON)


def failed(task_id: str = "load") -> Failure:
    return Failure("orders", "r1", RUN, replace(TRY, task_id=task_id))


def speaker(fold_above: int = 10) -> Speaker:
    return Speaker("prod", Settings(fold_above=fold_above), {}, None)


def test_a_fold_names_five_tasks_and_counts_the_rest() -> None:
    [finding] = speaker(fold_above=6).findings([failed(f"t{number}") for number in range(7)])
    assert finding.annotations["description"] == "Failed: t0, t1, t2, t3, t4 and 2 more."
    assert (finding.annotations["error"], finding.since) == ("boom", NOON)


def test_the_limit_itself_is_not_folded() -> None:
    assert len(speaker(fold_above=7).findings([failed(f"t{number}") for number in range(7)])) == 7


def test_without_links_the_rest_is_told_all_the_same() -> None:
    [finding] = speaker().findings([failed()])
    assert finding.annotations["summary"] == "prod: orders.load failed, try 3 of 3"
    assert "log_url" not in finding.annotations


def test_a_task_whose_run_is_not_mirrored_yet_is_told() -> None:
    [finding] = speaker().findings([replace(failed(), run=None)])
    assert finding.annotations["try"] == "3 of 3"


def test_a_run_that_was_tried_more_often_than_allowed_does_not_count_past_its_end() -> None:
    again = replace(failed(), task=replace(TRY, try_number=4))
    assert speaker().findings([again])[0].annotations["try"] == "4 of 4"


def test_only_a_newer_success_makes_good() -> None:
    due = NOON - HOUR
    assert standing([failed()], Successes({"orders": due})) == [failed()]
    assert standing([failed()], Successes({"orders": due + HOUR})) == []
    assert standing([failed()], Successes(tasks={("orders", "other", -1): due + HOUR})) == [failed()]
    assert standing([failed()], Successes(tasks={("orders", "load", -1): due + HOUR})) == []
    assert standing([failed()], Successes(tasks={("orders", "load", 3): due + HOUR})) == [failed()]
