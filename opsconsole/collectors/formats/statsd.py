"""The StatsD wire format: plain, with tags in the name as InfluxDB (`name,k=v:1|c`), Librato (`name#k=v:1|c`) and SignalFx
(`name[k=v]:1|c`) write them, and with DogStatsD's (`name:1|c|#k:v`).

Reading a line has two halves, so that a listener can keep the slow one in a dictionary: `frame` cuts it, `identify`
makes text of its name and tags. Sources: statsd's `docs/metric_types.md`, DogStatsD's datagram format (packed values,
`|c:`, `|e:`, `|T` sections), InfluxData's StatsD dialect.
"""

import enum
import re
from typing import NamedTuple

MOST_HEAD = 1024
"""Bytes of a name together with the tags in it; DogStatsD's tags have as many again."""
MOST_TAGS = 32
MOST_TAG_VALUE = 256
KINDS = frozenset((b"c", b"g", b"ms", b"h", b"d", b"s"))
_IGNORED_SECTIONS = (b"c:", b"e:", b"T", b"card:")
_TAGS_BEGIN = re.compile(r"[,#\[]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class Style(enum.Enum):
    """How a line carries its tags: in its name as InfluxDB's do, after its value, or PLAIN, which has none."""

    PLAIN = "plain"
    INFLUXDB = "influxdb"
    DATADOG = "datadog"


class Malformed(ValueError):
    """A line that is not StatsD; `reason` is one of a fixed few words, fit for a label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Frame(NamedTuple):
    """A line in its parts. `head` is the name with the tags that stand in it, `tags` DogStatsD's, `rate` in (0, 1]."""

    head: bytes
    values: tuple[bytes, ...]
    kind: bytes
    rate: float
    tags: bytes


class Identity(NamedTuple):
    """What a line measures, as text."""

    name: str
    tags: dict[str, str]
    style: Style


def frame(line: bytes) -> Frame:
    """Cut a line (without its newline) into its parts. Raises `Malformed`."""
    if line.startswith((b"_e{", b"_sc|")):
        raise Malformed("unsupported")
    before, bar, after = line.partition(b"|")
    head, colon, number = before.rpartition(b":") if b"," in before else before.partition(b":")
    if not bar or not colon:
        raise Malformed("no_value")
    if not 0 < len(head) <= MOST_HEAD:
        raise Malformed("name_too_long" if head else "no_name")
    kind, *sections = after.split(b"|")
    if kind not in KINDS:
        raise Malformed("unknown_type")
    rate, tags = _sections(sections)
    return Frame(head, (number,) if kind == b"s" else tuple(number.split(b":")), kind, rate, tags)


def _sections(sections: list[bytes]) -> tuple[float, bytes]:
    rate, tags = 1.0, b""
    for section in sections:
        if section.startswith(b"@"):
            rate = measure(section[1:])
            if not 0 < rate <= 1:
                raise Malformed("bad_rate")
        elif section.startswith(b"#"):
            tags = section[1:]
        elif not section.startswith(_IGNORED_SECTIONS):
            raise Malformed("unknown_section")
    return rate, tags


def measure(text: bytes) -> float:
    """A finite number. Raises `Malformed`."""
    try:
        value = float(text)
    except ValueError:
        raise Malformed("bad_value") from None
    if not -1e300 < value < 1e300:
        raise Malformed("bad_value")
    return value


def identify(head: bytes, tags: bytes) -> Identity:
    """The name and the tags of a line as text. Raises `Malformed`."""
    if len(tags) > MOST_HEAD * 4:
        raise Malformed("tags_too_long")
    try:
        text, dogs = head.decode(), tags.decode()
    except UnicodeDecodeError:
        raise Malformed("bad_encoding") from None
    if _UNPRINTABLE.search(text) or _UNPRINTABLE.search(dogs):
        raise Malformed("bad_encoding")
    name, inner = _parted(text)
    if not name.strip("."):
        raise Malformed("no_name")
    style = Style.DATADOG if tags else Style.INFLUXDB if name != text else Style.PLAIN
    return Identity(name, _pairs(inner, "=") | _pairs(dogs, ":"), style)


def _parted(head: str) -> tuple[str, str]:
    """The name, and the tags that stand in it."""
    begin = _TAGS_BEGIN.search(head)
    if begin is None:
        return head, ""
    name, tags = head[: begin.start()], head[begin.end() :]
    if begin[0] != "[":
        return name, tags
    tags, closed, after = tags.partition("]")
    if not closed:
        raise Malformed("bad_tag")
    return name + after, tags


def _pairs(text: str, between: str) -> dict[str, str]:
    """Tags by key; a tag without a value, which DogStatsD allows, says nothing that a label could."""
    words = [word for word in text.split(",") if word]
    if len(words) > MOST_TAGS:
        raise Malformed("too_many_tags")
    pairs = {}
    for word in words:
        key, sign, value = word.partition(between)
        if not key or (not sign and between == "="):
            raise Malformed("bad_tag")
        if len(value) > MOST_TAG_VALUE:
            raise Malformed("tag_too_long")
        if value:
            pairs[key] = value
    return pairs
