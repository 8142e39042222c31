"""Times and durations of Prometheus' API, as a real Prometheus 2.42 read them."""

import pytest

from opsconsole.web.api.prometheus_times import between, evaluated_ms, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "unix_ms"),
    [
        ("1767571200.0004", 1_767_571_200_000),
        ("-1.5", -1500),
        ("1_0", 10_000),
        ("0x1p4", 16_000),
        ("2026-01-05T00:00:00.0019+01:00", 1_767_567_600_001),
        ("9999-12-31T23:59:59Z", -4_852_116_232_933),
        ("9223372036", 9_223_372_036_000),
        ("9223372037", -9_223_372_036_709),
        ("1e15", 2_003_764_205_206),
    ],
)
def test_a_query_is_evaluated_at_what_64_bits_of_nanoseconds_hold_of_a_time(text: str, unix_ms: int) -> None:
    assert evaluated_ms(parse_time(text)) == unix_ms


@pytest.mark.parametrize("text", [" 1", "1__0", "0x1", "1e400", "2026-02-30T00:00:00Z", "2026-01-05t00:00:00Z", "1d", "١"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


def test_a_zone_may_be_off_by_more_than_a_day_for_prometheus_2_alone() -> None:
    assert evaluated_ms(parse_time("1970-01-02T01:00:00+25:00", 2)) == 0
    with pytest.raises(ValueError, match=r"25:00"):
        parse_time("1970-01-02T01:00:00+25:00", 3)


def test_infinities_and_what_is_no_number_lie_before_all_times() -> None:
    assert parse_time("NaN") == parse_time("Inf") == parse_time("-Inf") < parse_time("-292273086-05-16T16:47:06Z")
    assert between(parse_time("NaN"), parse_time("0")) == 2**63 - 1


def test_a_duration_that_64_bits_do_not_hold_is_told_apart() -> None:
    assert parse_duration("1m30s") == parse_duration("90") == 90 * 10**9
    assert parse_duration("NaN") < 0
    with pytest.raises(ValueError, match=r'cannot parse "1e10" to a valid duration\. It overflows int64'):
        parse_duration("1e10")
    with pytest.raises(ValueError, match=r'cannot parse "300y" to a valid duration$'):
        parse_duration("300y")
