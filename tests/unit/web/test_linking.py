from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from opsconsole.web.exploring import asked
from opsconsole.web.linking import chart_between, chart_of, from_prometheus
from tests.support.clock import NOON

HOUR = timedelta(hours=1)


def followed(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def test_a_link_asks_for_the_expression_as_it_is() -> None:
    question = asked(followed(chart_of('\n  rate(a{b="&=#+ %"}[5m])\n', "12h")), NOON)
    assert (question.query, question.tab, question.length) == ('rate(a{b="&=#+ %"}[5m])', "chart", 12 * HOUR)


def test_what_is_over_is_drawn_from_its_beginning_to_its_end() -> None:
    start, end = NOON - 30 * HOUR, NOON - 2 * HOUR
    window = asked(followed(chart_between("up", start, end, NOON)), NOON).window
    assert start - 2 * window.step <= window.start <= start
    assert end - window.step <= window.end <= end


def test_what_goes_on_is_drawn_up_to_now_in_whole_minutes() -> None:
    given = followed(chart_between("up", NOON - timedelta(minutes=42, seconds=10), None, NOON))
    assert given == {"query": "up", "tab": "chart", "range": "43m"}
    assert followed(chart_between("up", NOON, None, NOON))["range"] == "1m"


def test_a_link_of_prometheus_expression_browser_is_understood() -> None:
    graph = {
        "g0.expr": "rate(a[5m])",
        "g0.tab": "0",
        "g0.range_input": "2h",
        "g0.end_input": "2026-05-01 12:00:00",
        "g1.expr": "b",
    }
    question = asked(from_prometheus(graph), NOON)
    assert (question.query, question.tab, question.length) == ("rate(a[5m])", "chart", 2 * HOUR)
    assert question.at == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert from_prometheus({"g0.expr": "up", "g0.tab": "1"}) == {"query": "up"}
    assert from_prometheus({}) == {}
