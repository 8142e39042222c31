"""Label sets, as Prometheus and Alertmanager understand them."""

from collections.abc import Iterator, Mapping

_FNV_OFFSET = 14695981039346656037
_FNV_PRIME = 1099511628211
_SEPARATOR = b"\xff"


class Labels(Mapping[str, str]):
    """An immutable, hashable set of labels, sorted by name; a label with an empty value is the same as no label."""

    __slots__ = ("_dict", "_hash", "_pairs")

    def __init__(self, labels: Mapping[str, str] | None = None, /, **more: str) -> None:
        merged = {**(labels or {}), **more}
        self._pairs = tuple(sorted((name, value) for name, value in merged.items() if value != ""))
        self._dict = dict(self._pairs)
        self._hash = hash(self._pairs)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        return self._pairs

    def __getitem__(self, name: str) -> str:
        return self._dict[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self._pairs == other._pairs
        return NotImplemented if not isinstance(other, Mapping) else self._dict == dict(other)

    def __lt__(self, other: "Labels") -> bool:
        return self._pairs < other._pairs

    def __repr__(self) -> str:
        return "{" + ", ".join(f'{name}="{_escaped(value)}"' for name, value in self._pairs) + "}"

    def merged(self, more: Mapping[str, str]) -> "Labels":
        """These labels with `more` laid over them."""
        return Labels({**self._dict, **more})

    def without(self, *names: str) -> "Labels":
        return Labels({name: value for name, value in self._pairs if name not in names})

    def only(self, *names: str) -> "Labels":
        return Labels({name: value for name, value in self._pairs if name in names})

    def fingerprint(self) -> str:
        """Alertmanager's identity of a label set: FNV-1a 64 over name, 0xff, value, 0xff in order of name, as 16 hex digits.

        Source: prometheus/common, `model/signature.go`, `labelSetToFingerprint`.
        """
        digest = _FNV_OFFSET
        for name, value in self._pairs:
            for byte in name.encode() + _SEPARATOR + value.encode() + _SEPARATOR:
                digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
        return f"{digest:016x}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


EMPTY = Labels()
