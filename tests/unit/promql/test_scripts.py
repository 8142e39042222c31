"""Every question in `tests/data/promql` is answered as it says there, at an instant and as a step of a range."""

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from opsconsole.model import Labels, QueryError, QueryResult
from opsconsole.promql import Engine, Settings, parse
from opsconsole.promql.nodes import Selector, ValueType, walk
from opsconsole.promql.types import type_of
from tests.support.clock import FakeClock
from tests.support.promql import EPOCH, load
from tests.support.scripts import Question, questions

_OF_THE_QUERY = ("start(", "end(", "range(", "step(", "sort")


def _asked(question: Question) -> Engine:
    settings = Settings(delayed_name_removal=question.names_late, subquery_step=timedelta(minutes=1))
    return Engine(load(question.series), FakeClock(), settings)


def _labels(text: str) -> Labels:
    if text == "{}":
        return Labels()
    tree = parse(text)
    assert isinstance(tree, Selector), text
    return Labels({matcher.name: matcher.value for matcher in tree.matchers})


def _same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or one == other or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


async def _answered(question: Question) -> QueryResult:
    start, end = (EPOCH + timedelta(milliseconds=ms) for ms in (question.start_ms, question.end_ms))
    if question.step_ms:
        return await _asked(question).range(question.expr, start, end, timedelta(milliseconds=question.step_ms))
    return await _asked(question).instant(question.expr, start)


def _found(result: QueryResult, question: Question) -> list[tuple[Labels, list[float | None]]]:
    if result.kind != "matrix":
        return [(point.labels, [point.value]) for point in result.points]
    if not question.step_ms:
        return [(row.labels, list(row.values.tolist())) for row in result.rows]
    steps = range(question.start_ms, question.end_ms + 1, question.step_ms)
    values = [dict(zip(row.timestamps.tolist(), row.values.tolist(), strict=True)) for row in result.rows]
    return [(row.labels, [at.get(step) for step in steps]) for row, at in zip(result.rows, values, strict=True)]


def _check(found: Iterable[tuple[Labels, list[float | None]]], question: Question) -> None:
    wanted = [(_labels(text), values) for text, values in question.rows()]
    got = list(found)
    if not question.ordered:
        wanted.sort(key=lambda row: row[0].pairs)
        got.sort(key=lambda row: row[0].pairs)
    assert [labels for labels, _ in got] == [labels for labels, _ in wanted]
    for (labels, values), (_, expected) in zip(got, wanted, strict=True):
        assert [value is None for value in values] == [value is None for value in expected], labels
        for value, other in zip(values, expected, strict=True):
            assert value is None or other is None or _same(value, other), (labels, values, expected)


@pytest.mark.parametrize("question", list(questions()), ids=lambda question: question.place)
async def test_a_question_is_answered_as_written(question: Question) -> None:
    if question.error is not None:
        with pytest.raises(QueryError) as caught:
            await _answered(question)
        assert question.error in str(caught.value)
        return
    result = await _answered(question)
    _check(_found(result, question), question)
    told = [text.replace("PromQL ", "", 1) for text in (*result.warnings, *result.infos)]
    assert sorted(told) == sorted(question.notes)


def _of_any_range(question: Question) -> bool:
    """Whether an instant's answer is also that of a range at this time; not for what asks for the query's own ends."""
    if question.step_ms or question.error is not None or any(word in question.expr for word in _OF_THE_QUERY):
        return False
    tree = parse(question.expr)
    pinned = any(getattr(node, "at", None) in ("start", "end") for node in walk(tree))
    return not pinned and type_of(tree) in (ValueType.SCALAR, ValueType.VECTOR)


@pytest.mark.parametrize("question", [one for one in questions() if _of_any_range(one)], ids=lambda question: question.place)
async def test_an_instant_is_a_step_of_a_range(question: Question) -> None:
    at, step = EPOCH + timedelta(milliseconds=question.start_ms), timedelta(seconds=30)
    result = await _asked(question).range(question.expr, at - step, at + step, step)
    rows = [(row.labels, dict(zip(row.timestamps.tolist(), row.values.tolist(), strict=True))) for row in result.rows]
    found = ((labels, [values[question.start_ms]]) for labels, values in rows if question.start_ms in values)
    _check(found, replace(question, answer=question.answer.removeprefix("ordered ")))


def test_there_are_many_questions() -> None:
    assert sum(1 for _ in questions()) > 1000
