"""Remote write requests are read as a plain reading reads them, whether their series are known or not."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsconsole.collectors.formats.remote_write import LONGEST_NAME, Described, Malformed, Message, labels, read
from opsconsole.model import STALE, STALE_NAN_BITS
from tests.support import remote_write as made
from tests.support.remote_write import Sent

NOON = 1_772_366_400_000
UP = Sent([("__name__", "up"), ("job", "a")], [(1.0, NOON)])

texts = st.text(max_size=8)
names = st.lists(st.tuples(texts, texts), max_size=4)
values = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, STALE, math.nan, math.inf]))
times = st.one_of(
    st.integers(NOON, NOON + 1000), st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, 2**35, 2**42 - 1, 2**42])
)
sent = st.builds(Sent, names, st.lists(st.tuples(values, times), max_size=3))
extras = st.sampled_from(
    [b"", made.message(3, b"\x09" + bytes(8)), made.message(4, b"\x08\x01"), b"\x78\x05", made.message(1, made.message(1, b"z"))]
)
requests = st.lists(st.tuples(sent, extras), max_size=6).map(lambda all_: b"".join(made.series(one, more) for one, more in all_))


def told(message: Message, known: dict[bytes, int]) -> list[tuple[bytes, int, int]]:
    by_ref = {ref: name for name, ref in known.items()}
    named = [by_ref[ref] if ref > 0 else message.names[-1 - ref] for ref in message.refs.tolist()]
    return sorted(zip(named, message.times.tolist(), message.values.view("<u8").tolist(), strict=True))


@given(requests)
@settings(max_examples=300)
def test_new_and_known_series_are_read_alike(body: bytes) -> None:
    expected = sorted(made.read_plainly(body))
    message = read(body, {})
    assert told(message, {}) == expected
    for some in (message.names, message.names[::2]):
        known = {name: number for number, name in enumerate(some, 1)}
        assert told(read(body, known), known) == expected


@given(requests, st.data())
@settings(max_examples=300)
def test_damage_is_noticed_as_a_plain_reading_notices_it(body: bytes, data: st.DataObject) -> None:
    known = {name: number for number, name in enumerate(read(body, {}).names, 1)}
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        expected = sorted(made.read_plainly(cut))
    except ValueError:
        with pytest.raises(Malformed):
            read(cut, known)
        return
    assert told(read(cut, known), known) == expected


def test_a_staleness_marker_keeps_its_bits_on_every_way() -> None:
    body = made.request([UP._replace(samples=[(STALE, NOON)])])
    for known in ({}, {read(body, {}).names[0]: 7}):
        assert read(body, known).values.view("<u8").tolist() == [STALE_NAN_BITS]


def test_what_is_not_kept_is_counted() -> None:
    body = made.series(UP, made.message(3, b"") + made.message(3, b"") + made.message(4, b""))
    message = read(body, {})
    assert (message.exemplars, message.histograms, len(message.refs)) == (2, 1, 1)


def test_what_is_told_of_metrics_is_read() -> None:
    body = made.request([UP], made.metadata("up", 2, "Whether it is.", "") + made.metadata("x", 99, unit="seconds"))
    assert read(body, {}).described == [Described("up", "gauge", "Whether it is.", ""), Described("x", "unknown", "", "seconds")]


def test_a_name_beyond_all_measure_is_left_out_and_counted() -> None:
    long = Sent([("__name__", "x" * LONGEST_NAME)], [(1.0, NOON), (2.0, NOON + 1)])
    message = read(made.request([long, UP]), {})
    assert (message.too_long, len(message.names), message.values.tolist()) == (2, 1, [1.0])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (made.label("__name__", "up") + made.label("a", "1"), {"__name__": "up", "a": "1"}),
        (
            made.label("b", "2") + made.label("__name__", "süß.metric") + made.label("a", ""),
            {"b": "2", "__name__": "süß.metric"},
        ),
    ],
)
def test_labels_may_come_in_any_order(name: bytes, says: dict[str, str]) -> None:
    assert labels(name) == says


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"", "no metric name"),
        (made.label("a", "1"), "no metric name"),
        (made.label("__name__", ""), "no metric name"),
        (made.label("__name__", "up") + made.label("a", "1") + made.label("a", "1"), "'a' is not unique"),
        (made.label("__name__", "up") + made.label("", "1"), "no name"),
        (made.label("__name__", "up") + made.label("a", b"\xff"), "not UTF-8"),
        (made.label("__name__", "up") + made.label(b"\xc0\x80", "a"), "not UTF-8"),
    ],
)
def test_labels_that_cannot_be_are_refused_with_the_reason(name: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        labels(name)


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x80",
        b"\x0a\x05ab",
        b"\x0a" + b"\xff" * 11,
        b"\xff" * 12,
        b"\x0b\x0c",
        b"\x08\x01",
        b"\x00",
        made.message(1, b"\x12\x04\x0a\x02ab"),
        made.message(1, b"\x12\x02\x10" + b"\x80"),
        made.message(1, struct.pack("<Bd", 0x11, 1.0)),
    ],
)
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body, {})
