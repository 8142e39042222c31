"""The StatsD wire format."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsconsole.collectors.formats.statsd import Frame, Identity, Malformed, Style, frame, identify
from tests.support.statsd import Stream


def test_a_plain_line_is_name_value_and_type() -> None:
    assert frame(b"airflow.job_start:1|c") == Frame(b"airflow.job_start", (b"1",), b"c", 1.0, b"")


def test_a_sample_rate_is_read() -> None:
    assert frame(b"x:1|c|@0.1").rate == 0.1


def test_datadog_tags_and_sections_that_say_nothing_to_us_are_told_apart() -> None:
    cut = frame(b"x:1:2.5|ms|@0.5|#a:b,c|c:container|T1700000000")
    assert cut == Frame(b"x", (b"1", b"2.5"), b"ms", 0.5, b"a:b,c")


def test_an_influxdb_tag_may_hold_colons() -> None:
    cut = frame(b"ti.start,run_id=manual__2026-01-01T00:00:00+00:00,dag_id=a:1|c")
    assert cut.head == b"ti.start,run_id=manual__2026-01-01T00:00:00+00:00,dag_id=a"
    assert cut.values == (b"1",)


def test_the_two_tag_dialects_give_the_same_identity_but_for_style() -> None:
    assert identify(b"pool.open_slots,pool_name=tiny", b"") == Identity("pool.open_slots", {"pool_name": "tiny"}, Style.INFLUXDB)
    assert identify(b"pool.open_slots", b"pool_name:tiny") == Identity("pool.open_slots", {"pool_name": "tiny"}, Style.DATADOG)


@pytest.mark.parametrize(
    "head", [b"pool.open_slots#pool_name=tiny", b"pool.open_slots[pool_name=tiny]", b"pool[pool_name=tiny].open_slots"]
)
def test_tags_in_the_name_as_librato_and_signalfx_write_them_are_labels_too(head: bytes) -> None:
    assert identify(head, b"") == Identity("pool.open_slots", {"pool_name": "tiny"}, Style.INFLUXDB)


def test_a_tags_value_may_hold_what_begins_tags_elsewhere() -> None:
    assert identify(b"x,k=a[0]#1", b"l:b[0]#1").tags == {"k": "a[0]#1", "l": "b[0]#1"}


def test_a_tag_without_a_value_is_no_label() -> None:
    assert identify(b"x", b"bare,empty:,a:b").tags == {"a": "b"}
    assert identify(b"x,team_name=,a=b", b"").tags == {"a": "b"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nothing", "no_value"),
        (b"x|c", "no_value"),
        (b":1|c", "no_name"),
        (b"x:1", "no_value"),
        (b"x:1|q", "unknown_type"),
        (b"x:1|c|@0", "bad_rate"),
        (b"x:1|c|@2", "bad_rate"),
        (b"x:1|c|?", "unknown_section"),
        (b"_e{5,4}:title|text", "unsupported"),
        (b"_sc|name|0", "unsupported"),
        (b"n" * 1025 + b":1|c", "name_too_long"),
    ],
)
def test_a_malformed_line_has_a_reason(line: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        frame(line)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("head", "tags", "reason"),
    [
        (b"\xff", b"", "bad_encoding"),
        (b"a\x00b", b"", "bad_encoding"),
        (b"x,novalue", b"", "bad_tag"),
        (b"x[k=v", b"", "bad_tag"),
        (b"...", b"", "no_name"),
        (b"x", b",".join(b"k%d:v" % n for n in range(33)), "too_many_tags"),
        (b"x", b"k:" + b"v" * 257, "tag_too_long"),
        (b"x", b"k:" + b"v" * 5000, "tags_too_long"),
    ],
)
def test_a_name_that_cannot_be_kept_has_a_reason(head: bytes, tags: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        identify(head, tags)
    assert caught.value.reason == reason


def test_malformed_lines_are_counted_and_their_neighbours_kept() -> None:
    stream = Stream().send("airflow.a:1|c\ngarbage\nairflow.a:x|c\nairflow.a:nan|g\r\n\nairflow.a:-1|c\nairflow.a:2|c\n").step()
    assert stream.last("airflow_a") == 3
    assert stream.intake.malformed == {"no_value": 1, "bad_value": 2, "negative_counter": 1}
    assert stream.intake.lines == 6


_WORDS = st.sampled_from(
    [
        b"airflow.ti.start",
        b"airflow.pool.open_slots.a",
        b":",
        b"|",
        b"c",
        b"g",
        b"ms",
        b"s",
        b"#",
        b"@",
        b"0.1",
        b"1",
        b"-1",
        b"+2",
        b"nan",
        b"1e400",
        b"\n",
        b",",
        b"=",
        b"a:b",
        b"\x00",
        b"\xff",
        b".",
        b"h",
        b"_e{",
        b"1_0",
    ]
)


@given(st.lists(st.one_of(st.binary(max_size=60), st.lists(_WORDS, max_size=12).map(b"".join)), max_size=8))
@example([b"airflow.a:1|c", b"airflow.a:1|g", b"airflow.a:1|s", b"airflow.a:x|s"])
@example([b"airflow.a:|c", b"airflow.a:1|c", b"airflow.a:|c"])
def test_no_datagram_makes_the_listener_fail(datagrams: list[bytes]) -> None:
    stream = _fuzzed.send(*datagrams).step()
    assert stream.intake.lines >= 0


_fuzzed = Stream()
