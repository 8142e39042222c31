"""The functions that templates may call: Go's built-in ones and Prometheus' own.

Everything is a plain function of its arguments; `and` and `or` (which stop early), `query`, `externalURL` and
`pathPrefix` (which need the context) are the renderer's.
"""

import html
import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from opsconsole.rules.templates.gofmt import shown
from opsconsole.rules.templates.gotime import Duration, Moment
from opsconsole.rules.templates.humanize import (
    humanize,
    humanize_1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    moment,
)
from opsconsole.rules.templates.printf import printf
from opsconsole.rules.templates.tokens import TemplateError
from opsconsole.rules.templates.values import Element
from opsconsole.settings import parse_duration

MOST_REPLACED = 10_000_000
_JS = {**{code: f"\\u{code:04X}" for code in (*range(32), *b"<>&=")}, **{ord(mark): f"\\{mark}" for mark in "\\'\""}}
_GO_REFERENCE = re.compile(r"\$\$|\$\{(\w+)\}|\$(\w+)")


def truth(value: Any) -> bool:
    """Go's idea of a condition: not the empty value of its type."""
    if isinstance(value, float) and math.isnan(value):
        return True
    return isinstance(value, Element | Moment | Duration) or bool(value)


def number(value: Any) -> float:
    """What Prometheus' functions take for a number: one, or its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value == value.strip():
        try:
            return float(value)
        except ValueError:
            pass
    raise TemplateError(f"{shown(value)!r} is not a number")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return next((kind.__name__ for kind in (int, float, str) if isinstance(value, kind)), "")


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("eq: missing argument for comparison")
    for other in others:
        if _kind(first) != _kind(other) or (not _kind(first) and None not in (first, other)):
            raise TemplateError("eq: incompatible types for comparison")
    return any(first == other for other in others)


def _less(first: Any, second: Any) -> bool:
    if _kind(first) != _kind(second) or _kind(first) in ("", "bool"):
        raise TemplateError("incompatible types for comparison")
    return bool(first < second)


def _index(holder: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(holder, Mapping) and not isinstance(key, str):
            raise TemplateError(f"index: {shown(key)} is not a text")
        if isinstance(holder, str):
            holder = holder.encode()
        try:
            holder = holder.get(key, "") if isinstance(holder, Mapping) else _item(holder, key)
        except (TypeError, LookupError, AttributeError) as error:
            raise TemplateError(f"index: {shown(key)} is not in {type(holder).__name__}") from error
    return holder


def _item(holder: Any, key: Any) -> Any:
    if isinstance(key, int) and key < 0:
        raise IndexError(key)
    return holder[key]


def _slice(holder: Any, *bounds: Any) -> Any:
    """Of a text, its bytes count."""
    if isinstance(holder, str):
        return _slice(holder.encode(), *bounds).decode(errors="replace")
    if not isinstance(holder, Sequence) or len(bounds) > 2 or not all(_kind(bound) == "int" for bound in bounds):
        raise TemplateError("slice: needs a text or list and up to two whole numbers")
    start, stop = bounds[0] if bounds else 0, bounds[1] if len(bounds) > 1 else len(holder)
    if not 0 <= start <= stop <= len(holder):
        raise TemplateError("slice: out of range")
    return holder[start:stop]


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping | Sequence):
        return len(value)
    raise TemplateError(f"len of {shown(value)}")


def _print(*values: Any) -> str:
    """`fmt.Sprint`: a space between two values when neither is a text."""
    text = ""
    for index, value in enumerate(values):
        gap = index and not isinstance(value, str) and not isinstance(values[index - 1], str)
        text += (" " if gap else "") + shown(value)
    return text


def _println(*values: Any) -> str:
    return " ".join(shown(value) for value in values) + "\n"


def _first(vector: Any) -> Element:
    if not isinstance(vector, Sequence) or isinstance(vector, str) or not vector:
        raise TemplateError("first() called on vector with no elements")
    return _element(vector[0])


def _element(value: Any) -> Element:
    if not isinstance(value, Element):
        raise TemplateError(f"{shown(value)} is not an element of a query's answer")
    return value


def _sorted(label: str, vector: Any) -> list[Element]:
    return sorted((_element(item) for item in vector), key=lambda item: item.labels.get(label, ""))


def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise TemplateError(f"{pattern!r} is not a regular expression") from error


def _replaced(pattern: str, replacement: str, text: str) -> str:
    """`regexp.ReplaceAllString`: `$1` and `${name}` in the replacement."""
    if len(text) * len(replacement) > MOST_REPLACED:
        raise TemplateError("the text grows too long")

    def filled(found: Any) -> str:
        def one(reference: re.Match[str]) -> str:
            name = reference[1] or reference[2]
            if name is None:
                return "$"
            try:
                return found.group(int(name) if name.isdigit() else name) or ""
            except (IndexError, KeyError):
                return ""

        return _GO_REFERENCE.sub(one, replacement)

    return str(_compiled(pattern).sub(filled, text))


def _runes(text: str, turned: Callable[[str], str]) -> str:
    """Each letter on its own, as Go does it: one whose other case is two letters stays."""
    return "".join(other if len(other := turned(char)) == 1 else char for char in text)


def _title(text: str) -> str:
    return re.sub(r"(^|\W)(\w)", lambda match: match[1] + _runes(match[2], str.title), text)


def _host_and_port(address: str) -> tuple[str, str] | None:
    """The parts of `host:port` and `[host]:port`; None for what is neither."""
    found = re.fullmatch(r"\[([^\[\]]*)\]:([^:\[\]]*)|([^:\[\]]*):([^:\[\]]*)", address)
    return (found[1] or found[3] or "", found[2] or found[4] or "") if found else None


def _strip_port(address: str) -> str:
    parts = _host_and_port(address)
    return parts[0] if parts else address


def _strip_domain(address: str) -> str:
    host, port = _host_and_port(address) or (address, "")
    if _is_ip(host):
        return address
    host = host.split(".")[0]
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_ip(host: str) -> bool:
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _call(*values: Any) -> Any:
    raise TemplateError("call of what is no function")


def _seconds(text: Any) -> float:
    if not isinstance(text, str):
        raise TemplateError(f"{shown(text)} is not a text")
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * parse_duration(text.removeprefix("-")).total_seconds()
    except ValueError as error:
        raise TemplateError(str(error)) from error


def _to_time(value: Any) -> Moment:
    at = moment(_nanoseconds(number(value)))
    if at is None:
        raise TemplateError(f"{shown(value)} is not a time")
    return at


def _nanoseconds(value: float) -> float:
    if math.isfinite(value) and abs(value) * 1e9 >= 2**63:
        raise TemplateError(f"{shown(value)} cannot be represented as a nanoseconds timestamp since it overflows int64")
    return value


def _graph_path(expr: str, tab: int) -> str:
    return f"/graph?g0.expr={quote_plus(expr)}&g0.tab={tab}"


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "args": lambda *values: {f"arg{index}": value for index, value in enumerate(values)},
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": _less,
    "le": lambda first, second: _less(first, second) or first == second,
    "gt": lambda first, second: _less(second, first),
    "ge": lambda first, second: _less(second, first) or first == second,
    "not": lambda value: not truth(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "printf": printf,
    "println": _println,
    "html": lambda *values: html.escape(_print(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "js": lambda *values: _print(*values).translate(_JS),
    "urlquery": lambda *values: quote_plus(_print(*values)),
    "first": _first,
    "label": lambda name, element: _element(element).labels.get(name, ""),
    "value": lambda element: _element(element).value,
    "strvalue": lambda element: _element(element).labels.get("__value__", ""),
    "sortByLabel": _sorted,
    "reReplaceAll": _replaced,
    "match": lambda pattern, text: bool(_compiled(pattern).search(text)),
    "safeHtml": lambda text: _runes(text, str),
    "title": lambda text: _title(text),
    "toUpper": lambda text: _runes(text, str.upper),
    "toLower": lambda text: _runes(text, str.lower),
    "stripPort": _strip_port,
    "stripDomain": _strip_domain,
    "humanize": lambda value: humanize(number(value)),
    "humanize1024": lambda value: humanize_1024(number(value)),
    "humanizeDuration": lambda value: humanize_duration(number(value)),
    "humanizePercentage": lambda value: humanize_percentage(number(value)),
    "humanizeTimestamp": lambda value: humanize_timestamp(_nanoseconds(number(value))),
    "toTime": _to_time,
    "toDuration": lambda value: Duration(int(number(value) * 1e9)),
    "parseDuration": _seconds,
    "urlQueryEscape": lambda text: quote_plus(text),
    "call": _call,
    "graphLink": lambda expr: _graph_path(expr, 0),
    "tableLink": lambda expr: _graph_path(expr, 1),
}
NAMES = frozenset(FUNCTIONS) | {"and", "or", "query", "externalURL", "pathPrefix", "now"}
