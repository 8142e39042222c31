"""What the explore page makes of its address and of an answer."""

from datetime import timedelta

import pytest

from opsconsole.model import Labels, QueryError
from opsconsole.promql.engine import Engine
from opsconsole.web.exploring import LONGEST_QUERY, MOST_POINTS, MOST_ROWS, Answer, answer, asked, mistake, named
from tests.support.clock import NOON, FakeClock
from tests.support.promql import load

SCRIPT = """
load 1m
  up{job="a"} 0+1x60
  up{job="b"} 5x60
"""


async def answered(script: str = SCRIPT, **parameters: str) -> Answer:
    engine = Engine(load(script, NOON - timedelta(hours=1)), FakeClock())
    return await answer(engine, asked(parameters, NOON))


def test_an_empty_address_asks_for_a_table_of_now() -> None:
    question = asked({}, NOON)
    assert (question.query, question.tab, question.range, question.at, question.problem) == ("", "table", "1h", NOON, "")
    assert question.address == {}


def test_the_address_that_shows_the_same_leaves_out_what_is_usual() -> None:
    given = {"query": "up", "tab": "chart", "range": "3h", "end": "now-1h", "step": "30s"}
    question = asked(given, NOON)
    assert question.address == given
    assert (question.at, question.length, question.width) == (
        NOON - timedelta(hours=1),
        timedelta(hours=3),
        timedelta(seconds=30),
    )
    assert asked({"query": "up", "tab": "table", "range": "1h", "end": "", "step": ""}, NOON).address == {"query": "up"}


@pytest.mark.parametrize("length", ["1s", "15m", "1h", "30d", "2y", "36500d", "7m13s"])
def test_a_step_that_nobody_chose_never_makes_too_many_points(length: str) -> None:
    question = asked({"query": "up", "range": length, "end": "2026-03-01T12:00:00Z"}, NOON)
    window = question.window
    assert (window.end - window.start) / window.step <= 300
    assert (window.end.timestamp() / window.step.total_seconds()).is_integer()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"end": "soon"}, "'soon' is not a time"),
        ({"range": "long"}, "'long' is not a duration"),
        ({"range": "0"}, "'0' is no length of time"),
        ({"range": "101y"}, "is no length of time"),
        ({"step": "0"}, "'0' is not a step"),
        ({"end": "0001-01-02T00:00:00Z", "range": "30d"}, "beyond the calendar"),
        ({"query": "u" * (LONGEST_QUERY + 1)}, "longer than 10,000 characters"),
    ],
)
async def test_what_is_no_time_is_told_instead_of_answered(given: dict[str, str], told: str) -> None:
    found = await answered(**{"query": "up", **given})
    assert found.mistake
    assert told in found.mistake.message


async def test_a_vector_is_a_line_for_each_series() -> None:
    found = await answered(query="up")
    assert [(line.name, [value for value, _ in line.values]) for line in found.lines] == [
        ('up{job="a"}', ["60"]),
        ('up{job="b"}', ["5"]),
    ]
    assert (found.series, found.left_out, found.empty) == (2, 0, False)


async def test_a_range_vector_shows_its_newest_samples_with_their_times() -> None:
    found = await answered(query='up{job="a"}[40m]')
    (line,) = found.lines
    assert (len(line.values), line.left_out) == (MOST_POINTS, 40 - MOST_POINTS)
    assert line.values[-1] == ("60", NOON)


async def test_a_scalar_and_a_text_are_told_as_they_are() -> None:
    assert (await answered(query="1e30")).text == "1e+30"
    assert (await answered(query='"<b>"')).text == "<b>"


async def test_a_table_has_a_bound_and_says_how_much_is_left_out() -> None:
    script = "load 1m\n" + "\n".join(f'many{{n="{n}"}} 1x60' for n in range(MOST_ROWS + 7))
    found = await answered(script, query="many")
    assert (len(found.lines), found.series, found.left_out) == (MOST_ROWS, MOST_ROWS + 7, 7)


async def test_a_chart_draws_so_many_series_and_says_so() -> None:
    script = "load 1m\n" + "\n".join(f'many{{n="{n}"}} 1x60' for n in range(50))
    found = await answered(script, query="many", tab="chart")
    assert found.figure
    assert (len(found.figure["data"]), found.figure["note"], found.series) == (40, "40 of 50 series shown", 50)


async def test_a_chart_names_series_as_promql_does() -> None:
    found = await answered(query="up", tab="chart", range="15m")
    assert found.figure
    assert found.figure["legend"] == ['up{job="a"}', 'up{job="b"}']
    assert found.window
    assert found.window.step == timedelta(seconds=5)


async def test_nothing_found_is_empty_and_a_mistake_is_not() -> None:
    assert (await answered(query="absent_metric")).empty
    assert (await answered(query="absent_metric", tab="chart")).empty
    assert not (await answered(query="up{")).empty


async def test_too_fine_a_step_is_refused_as_prometheus_refuses_it() -> None:
    found = await answered(query="up", tab="chart", range="30d", step="1s")
    assert found.mistake
    assert "11,000 points per timeseries" in found.mistake.message
    assert found.mistake.message.endswith("(a step of 5m or more, or a shorter range)")
    assert not (await answered(query="up", tab="chart", range="30d", step="5m")).mistake


async def test_one_series_alone_has_its_name_below_the_chart_too() -> None:
    found = await answered(query='up{job="a"}', tab="chart", range="15m")
    assert found.figure
    assert found.figure["legend"] == ['up{job="a"}']


@pytest.mark.parametrize(
    ("query", "position", "marked"),
    [
        ("sum(rate(up))", 9, ("sum(rate(", "up", "))")),
        ("up +", 4, ("up +", "", "")),
        ("up }", 3, ("up ", "}", "")),
        ("up", 99, ("up", "", "")),
        ("", 0, ("", "", "")),
    ],
)
def test_the_word_where_the_mistake_is_stands_apart(query: str, position: int, marked: tuple[str, str, str]) -> None:
    found = mistake(QueryError("bad", position=position), query)
    assert (found.before, found.at, found.after) == marked


async def test_a_query_that_nobody_waits_for_is_nobodys_mistake() -> None:
    class Gone:
        async def instant(self, *_: object) -> None:
            raise QueryError("query was canceled", "canceled")

    with pytest.raises(QueryError):
        await answer(Gone(), asked({"query": "up"}, NOON))  # type: ignore[arg-type]


def test_a_series_without_a_name_still_has_braces() -> None:
    assert named(Labels()) == "{}"
    assert named(Labels({"__name__": "up"})) == "up"
    assert named(Labels({"a": 'x"y'})) == '{a="x\\"y"}'
