"""Requests as they go on the wire."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.cluster.encoding import MalformedError, entries, labels_of, packed, parted, unpacked, varint
from opsconsole.model import STALE, Labels
from tests.support.cluster import bits, written

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
SAMPLE = st.tuples(
    st.dictionaries(TEXT.filter(lambda name: name != "__name__"), TEXT, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True),
)


def body(*samples: tuple[dict[str, str], int, float]) -> bytes:
    labels = [labels_of("m", Labels(one)) for one, _, _ in samples]
    times, values = np.array([at for _, at, _ in samples], np.int64), np.array([value for *_, value in samples])
    return packed(entries(labels, times, values))


@given(st.lists(SAMPLE, max_size=6))
def test_what_is_written_is_read_by_a_reader_that_knows_protobuf_alone(samples: list[tuple[dict[str, str], int, float]]) -> None:
    found = [(labels, at, bits(value)) for labels, [(at, value)] in written(body(*samples))]
    assert found == [({**labels, "__name__": "m"}, at, bits(value)) for labels, at, value in samples]


def test_a_staleness_marker_keeps_its_bits() -> None:
    [(_, [(_, value)])] = written(body(({}, 1, STALE)))
    assert bits(value) == 0x7FF0000000000002


def test_half_a_surrogate_pair_harms_no_other_label() -> None:
    [(labels, _)] = written(body(({"dag": "a\ud800b", "z": "é"}, 1, 1.0)))
    assert labels == {"__name__": "m", "dag": "a?b", "z": "é"}


@pytest.mark.parametrize(("number", "wire"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (-1, "ff" * 9 + "01")])
def test_varints_are_protobufs(number: int, wire: str) -> None:
    assert varint(number).hex() == wire


@given(st.lists(SAMPLE, max_size=6))
def test_a_request_comes_apart_into_its_entries_and_together_again(samples: list[tuple[dict[str, str], int, float]]) -> None:
    request = unpacked(body(*samples))
    assert len(parted(request)) == len(samples)
    assert b"".join(parted(request)) == request


@given(st.binary(max_size=40))
def test_bytes_that_are_no_request_come_apart_into_all_of_themselves_or_are_malformed(data: bytes) -> None:
    try:
        found = parted(data)
    except MalformedError:
        return
    assert b"".join(found) == data


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"\x05abc"])
def test_bytes_that_snappy_did_not_write_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        unpacked(data)
