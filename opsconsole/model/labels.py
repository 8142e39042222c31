"""Label sets, as Prometheus and Alertmanager understand them."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Self, TypeVar, overload

_FNV_OFFSET = 14695981039346656037
_FNV_PRIME = 1099511628211
_SEPARATOR = b"\xff"

T = TypeVar("T")


class Labels(Mapping[str, str]):
    """An immutable, hashable set of labels, sorted by name; a label with an empty value is the same as no label.

    There are as many of these as series: they hold their pairs and no table, which a few labels do not need.
    """

    __slots__ = ("_hash", "_pairs")

    def __init__(self, labels: Mapping[str, str] | None = None, /, **more: str) -> None:
        merged = {**(labels or {}), **more}
        self._pairs = tuple(sorted([pair for pair in merged.items() if pair[1] != ""]))
        self._hash: int | None = None

    @classmethod
    def of_pairs(cls, pairs: tuple[tuple[str, str], ...]) -> Self:
        """Of pairs that are sorted by name already, each name once and no value empty."""
        made = cls.__new__(cls)
        made._pairs, made._hash = pairs, None
        return made

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return self._pairs

    def __getitem__(self, name: str) -> str:
        for known, value in self._pairs:
            if known == name:
                return value
        raise KeyError(name)

    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...

    @overload
    def get(self, name: str, default: str, /) -> str: ...

    @overload
    def get(self, name: str, default: T, /) -> str | T: ...

    def get(self, name: str, default: object = None, /) -> object:
        for known, value in self._pairs:
            if known == name:
                return value
        return default

    def __contains__(self, name: object) -> bool:
        return any(known == name for known, _ in self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._pairs)
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self._pairs == other._pairs
        return NotImplemented if not isinstance(other, Mapping) else dict(self._pairs) == dict(other)

    def __lt__(self, other: "Labels") -> bool:
        return self._pairs < other._pairs

    def __repr__(self) -> str:
        return "{" + ", ".join(f'{name}="{_escaped(value)}"' for name, value in self._pairs) + "}"

    def merged(self, more: Mapping[str, str]) -> "Labels":
        """These labels with `more` laid over them."""
        return Labels({**dict(self._pairs), **more})

    def without(self, *names: str) -> "Labels":
        return Labels.of_pairs(tuple([pair for pair in self._pairs if pair[0] not in names]))

    def only(self, *names: str) -> "Labels":
        return Labels.of_pairs(tuple([pair for pair in self._pairs if pair[0] in names]))

    def fingerprint(self) -> str:
        """Alertmanager's identity of a label set: FNV-1a 64 over name, 0xff, value, 0xff in order of name, as 16 hex digits.

        Source: prometheus/common, `model/signature.go`, `labelSetToFingerprint`.
        """
        return _fingerprint(self._pairs)


@lru_cache(maxsize=8192)  # asked for several times while an alert is taken, and slow
def _fingerprint(pairs: tuple[tuple[str, str], ...]) -> str:
    digest = _FNV_OFFSET
    for byte in b"".join([name.encode() + _SEPARATOR + value.encode() + _SEPARATOR for name, value in pairs]):
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


EMPTY = Labels()
