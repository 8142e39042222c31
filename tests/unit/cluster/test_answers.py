"""What a cluster's query API answers."""

import json
import math
from typing import Any

import pytest

from opsconsole.cluster.answers import label_sets, result, texts
from opsconsole.cluster.querier import selector
from opsconsole.cluster.transport import Answer
from opsconsole.model import Labels, Matcher, MatchOp, QueryError
from opsconsole.promql.parser import parse


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode() if not isinstance(body, bytes) else body)


def success(kind: str, listed: Any, **more: Any) -> Answer:
    return answer({"status": "success", "data": {"resultType": kind, "result": listed}, **more})


def test_a_vector_keeps_what_numbers_say() -> None:
    texts = {"1": 1.0, "+Inf": math.inf, "-Inf": -math.inf, "1e-300": 1e-300}
    found = result(success("vector", [{"metric": {"a": text}, "value": [1.5, text]} for text in (*texts, "NaN")]), "")
    assert [(point.labels["a"], point.at_ms, point.value) for point in found.points[:-1]] == [
        (text, 1500, value) for text, value in texts.items()
    ]
    assert math.isnan(found.points[-1].value)


def test_a_matrix_has_times_in_milliseconds() -> None:
    [row] = result(success("matrix", [{"metric": {"a": "b"}, "values": [[1795191358.356, "1"], [1795191359, "NaN"]]}]), "").rows
    assert (row.labels, row.timestamps.tolist()) == (Labels(a="b"), [1795191358356, 1795191359000])
    assert math.isnan(row.values[1])


def test_scalars_strings_warnings_and_infos() -> None:
    found = result(success("scalar", [1, "2"], warnings=["w"], infos=["i"]), "")
    assert ([point.value for point in found.points], found.warnings, found.infos) == ([2.0], ("w",), ("i",))
    assert result(success("string", [1, "text"]), "").text == "text"


def test_native_histograms_are_left_out_and_that_is_said() -> None:
    found = result(success("vector", [{"metric": {}, "histogram": [1, {}]}]), "")
    assert (found.points, found.warnings) == ([], ("native histograms in the answer were left out",))


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [(400, "bad_data", "bad_data"), (422, "execution", "execution"), (503, "timeout", "timeout"), (422, "422", "execution")],
)
def test_an_error_is_of_the_kind_that_prometheus_says(status: int, kind: str, expected: str) -> None:
    with pytest.raises(QueryError, match=r"^too many samples$") as told:
        result(answer({"status": "error", "errorType": kind, "error": "too many samples"}, status), "")
    assert told.value.kind == expected


def test_a_mistake_has_its_place_in_the_text() -> None:
    text = 'invalid parameter "query": 2:5: parse error: unexpected end of input'
    with pytest.raises(QueryError, match=r"^2:5: parse error") as told:
        result(answer({"status": "error", "errorType": "bad_data", "error": text}, 400), "é +\n 1 +")
    assert told.value.position == 8


@pytest.mark.parametrize(
    "body",
    [
        b"<html>nginx</html>",
        b"",
        b"[" * 100_000,
        {"status": "success"},
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": ["x"]}]}},
        {"status": "success", "data": {"resultType": "vector", "result": {"metric": 1}}},
        {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1e300, "1"]]}]}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": [], "value": [1e300, "1"]}]}},
        {"status": "success", "data": {"resultType": "cube", "result": []}},
        {"data": []},
        [],
        7,
    ],
)
def test_what_is_no_answer_of_prometheus_is_an_unavailable_cluster(body: Any) -> None:
    with pytest.raises(QueryError) as told:
        result(answer(body), "up")
    assert told.value.kind == "unavailable"


def test_look_ups() -> None:
    assert texts(answer({"status": "success", "data": ["b", "a"]})) == ["a", "b"]
    assert label_sets(answer({"status": "success", "data": [{"__name__": "up"}]})) == [Labels(__name__="up")]
    for data in (None, "x", {"a": 1}):
        with pytest.raises(QueryError):
            texts(answer({"status": "success", "data": data}))
    with pytest.raises(QueryError):
        label_sets(answer({"status": "success", "data": ["a"]}))


def test_matchers_are_written_so_that_promql_reads_the_same() -> None:
    matchers = [Matcher("a", MatchOp.EQUAL, 'q"\\\n\t\0é'), Matcher("b", MatchOp.NOT_REGEX, "x|y")]
    read = parse(selector(matchers))
    assert [(one.name, one.op, one.value) for one in read.matchers] == [(one.name, one.op, one.value) for one in matchers]  # type: ignore[attr-defined]
