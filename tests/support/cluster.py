"""A remote-write receiver in memory that refuses as Prometheus 2.42 does: a whole request for one sample."""

import struct
from collections.abc import Iterator, Sequence

import cramjam
import httpx

Sample = tuple[int, float]


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field of a protobuf message; 64-bit ones as bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = varint()
        match key & 7:
            case 0:
                yield key >> 3, varint()
            case 1:
                yield key >> 3, message[at : at + 8]
                at += 8
            case 2:
                length = varint()
                yield key >> 3, message[at : at + length]
                at += length
            case other:
                raise ValueError(f"wire type {other}")


def written(body: bytes) -> list[tuple[dict[str, str], list[Sample]]]:
    """What a request says: labels and samples of each of its entries, in order."""
    found = []
    for _, entry in fields(bytes(cramjam.snappy.decompress_raw(body))):
        assert isinstance(entry, bytes)
        labels: list[tuple[str, str]] = []
        samples: list[Sample] = []
        for number, content in fields(entry):
            assert isinstance(content, bytes)
            parts = dict(fields(content))
            if number == 1:
                labels.append((_text(parts[1]), _text(parts[2])))
            else:
                samples.append((_signed(parts[2]), _float(parts[1])))
        assert labels == sorted(labels), "labels stand in order"
        found.append((dict(labels), samples))
    return found


def _text(content: int | bytes) -> str:
    assert isinstance(content, bytes)
    return content.decode()


def _signed(number: int | bytes) -> int:
    assert isinstance(number, int)
    return number - 2**64 if number >= 2**63 else number


def _float(content: int | bytes) -> float:
    assert isinstance(content, bytes)
    value: float = struct.unpack("<d", content)[0]
    return value


def bits(value: float) -> int:
    number: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return number


class Receiver:
    """Give `answer` to an httpx.MockTransport. `held` is what was taken: by series, time → value.

    `answers` are given first, one a request: a status, or an error to raise. `never` refuses samples by their value.
    """

    def __init__(self, answers: Sequence[int | Exception] = (), never: float | None = None) -> None:
        self.held: dict[str, dict[int, float]] = {}
        self.answers, self.never = list(answers), never
        self.requests = 0
        self.headers: dict[str, str] = {}

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.answers:
            planned = self.answers.pop(0)
            if isinstance(planned, Exception):
                raise planned
            return httpx.Response(planned, headers=self.headers, text="as planned")
        assert request.headers["Content-Encoding"] == "snappy"
        before = {name: dict(samples) for name, samples in self.held.items()}
        for labels, samples in written(request.content):
            series = self.held.setdefault(str(sorted(labels.items())), {})
            for at, value in samples:
                if reason := self._refusal(series, at, value):
                    self.held = before
                    return httpx.Response(400, text=reason)
                series[at] = value
        return httpx.Response(204)

    def _refusal(self, series: dict[int, float], at: int, value: float) -> str:
        if value == self.never:
            return "out of bounds"
        newest = max(series, default=at)
        if at < newest:
            return "out of order sample"
        return "duplicate sample for timestamp" if at in series and bits(series[at]) != bits(value) else ""

    @property
    def samples(self) -> int:
        return sum(len(samples) for samples in self.held.values())
