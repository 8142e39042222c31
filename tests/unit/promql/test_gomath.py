"""Exponentials, logarithms and powers, each with the digits that a real Prometheus 2.42 printed; numpy's end otherwise."""

import numpy as np
import pytest

from opsconsole.promql.engine import Engine
from opsconsole.promql.gomath import power
from tests.support.clock import NOON, FakeClock
from tests.support.promql import Loaded


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        ("exp(vector(-5.0418256997914925))", 0.00646193997985498),
        ("exp(vector(-7.383269512797096))", 0.0006215653443504038),
        ("exp(vector(21.89470397926486))", 3226629656.0380473),
        ("exp(vector(-3.8510398433117614))", 0.021257620347393123),
        ("ln(vector(11.009715963243586))", 2.3987781523312934),
        ("ln(vector(0.17637112541677313))", -1.7351648369213386),
        ("ln(vector(2.7902966478899454))", 1.026147915589711),
        ("log2(vector(2.2367852356953186))", 1.1614267430883958),
        ("log2(vector(0.31995901610103855))", -1.644040974319926),
        ("log10(vector(2.028981117525227))", 0.30727800534149907),
        ("log10(vector(22.836132313046523))", 1.358622550653594),
        ("log10(vector(6.9659567791353485))", 0.8429807755139411),
        ("vector(-11.788417512306717) ^ -15", -8.4755397699773e-17),
        ("vector(6.694689143859696) ^ -3.7", 0.0008806380786985673),
        ("vector(-1.433838383004689) ^ 17", -457.6183535072102),
        ("vector(2.028981117525227) ^ 17", 167388.68239080108),
    ],
)
async def test_the_last_digit_is_gos(query: str, printed: float) -> None:
    found = await Engine(Loaded(), FakeClock()).instant(query, NOON)
    assert found.points[0].value == printed


def test_powers_of_zeros_infinities_and_nan_are_those_of_ieee_754() -> None:
    odd = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0, -2.0, 1e-320])
    exponents = np.array([0.0, 1.0, -1.0, 2.0, -3.0, 0.5, np.inf, -np.inf, np.nan, 1e19, 1e300, 2e9])
    with np.errstate(all="ignore"):
        given = np.meshgrid(odd, exponents)
        assert np.array_equal(power(*given), np.power(*given), equal_nan=True)
