"""Numbers and results as Prometheus' API writes them."""

import json

import numpy as np
import pytest

from opsconsole.model import Labels, Point, QueryResult, Row
from opsconsole.web.api.prometheus_json import bunched, envelope, number, plain, query_data, timestamp


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (9.99e-7, "9.99e-07"),
        (123456789012345680.0, "123456789012345680"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (5e-324, "5e-324"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_a_value_has_gos_shortest_form_in_a_point_and_in_a_row(value: float, text: str) -> None:
    assert number(value) == text
    row = QueryResult("matrix", rows=[Row(Labels(), np.array([1000, 2001]), np.array([value, 3.0]))])
    [written] = json.loads("".join(query_data(row, 0)))["result"]
    assert written == {"metric": {}, "values": [[1, text], [2.001, "3"]]}


def test_a_scalar_never_has_an_exponent() -> None:
    assert plain(1e21) == "1" + 21 * "0"
    assert plain(1e-7) == "0.0000001"


@pytest.mark.parametrize(
    ("at", "text"), [(0, "0"), (1500, "1.500"), (1001, "1.001"), (-1001, "-1.001"), (967680000000, "967680000")]
)
def test_a_time_has_milliseconds_where_there_are_any(at: int, text: str) -> None:
    assert timestamp(at) == text


def test_an_answer_is_prometheus_envelope_to_the_byte() -> None:
    result = QueryResult("vector", [Point(Labels(__name__="up", job='a"<b>'), 1_500, 1.0), Point(Labels(), 1_500, 0.25)])
    whole = b"".join(bunched(envelope(query_data(result, 1_500), ["a < b"], [])))
    assert whole == (
        b'{"status":"success","data":{"resultType":"vector","result":['
        b'{"metric":{"__name__":"up","job":"a\\"<b>"},"value":[1.500,"1"]},{"metric":{},"value":[1.500,"0.25"]}]},'
        b'"warnings":["a \\u003c b"]}'
    )


def test_a_percent_sign_in_a_label_is_not_a_place_for_a_value() -> None:
    result = QueryResult("matrix", rows=[Row(Labels(path="100%s .0"), np.array([0]), np.array([2.0]))])
    assert '{"metric":{"path":"100%s .0"},"values":[[0,"2"]]}' in "".join(query_data(result, 0))
