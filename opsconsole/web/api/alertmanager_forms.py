"""What Alertmanager's API is sent, read as its 0.25 reads it: JSON, times, flags and matchers, with its complaints.

Sources: `api/v2/openapi.yaml`, and what go-openapi and Go's `encoding/json` make of it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from opsconsole.alerts.matchers import parse_matcher
from opsconsole.alerts.posted import Post
from opsconsole.model import Matcher, MatchOp, Silence
from opsconsole.promql.regexes import complaint
from opsconsole.web.api.go_json import BadJson, decoded, kind_of
from opsconsole.web.api.go_time import BadTime, parsed

_TRUE = {"true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"}
_URI = re.compile(
    r"(?:\*|(?:[a-zA-Z][a-zA-Z0-9+.-]*:(?!//)|(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^\s<>\"/?#@]*@)?"
    r"(?:\[[0-9a-fA-F:.%]*\]|[^\s<>\"/?#@\[\]]*(?=:)|[^\s<>\"/?#@:\[\]]*)(?::\d*)?(?=[/?#]|$)|/(?!/))[^\x00-\x1f\x7f]*)"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_POSTABLE = (
    'struct { Annotations models.LabelSet "json:\\"annotations,omitempty\\""; EndsAt strfmt.DateTime '
    '"json:\\"endsAt,omitempty\\""; StartsAt strfmt.DateTime "json:\\"startsAt,omitempty\\"" }'
)
_IDENTIFIED = 'struct { ID string "json:\\"id,omitempty\\"" }'
_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_REQUIRED, _FORMAT, _TOO_FEW = 602, 601, 612


class Rejected(Exception):
    """An answer with go-openapi's `code` and message; codes of 600 and more are answered with the status 422."""

    def __init__(self, code: int, message: str, allowed: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.allowed = code, message, allowed

    @property
    def status(self) -> int:
        return self.code if self.code < 600 else 422


class BadRequest(Exception):
    """An answer 400 that is a JSON text."""


def body(name: str, raw: bytes) -> Any:
    """The JSON value of a request's body. Raises Rejected."""
    if not raw.strip():
        raise Rejected(_REQUIRED, f"{name} in body is required")
    try:
        return decoded(raw)
    except BadJson as error:
        _unreadable(name, str(error))


def posts(value: Any) -> list[Post]:
    """The alerts of a posted body. Raises Rejected."""
    if value is None:
        return []
    if not isinstance(value, list):
        _unreadable("alerts", f"json: cannot unmarshal {kind_of(value)} into Go value of type models.PostableAlerts")
    made = [_post(item) for item in value]
    for index, (post, item) in enumerate(zip(made, value, strict=True)):
        if post.generator_url and not _is_uri(post.generator_url):
            quoted = json.dumps(post.generator_url, ensure_ascii=False)
            raise Rejected(_FORMAT, f"{index}.generatorURL in body must be of type uri: {quoted}")
        if _field(item, "labels") is None:
            raise Rejected(_REQUIRED, f"{index}.labels in body is required")
    return made


def silence(value: Any) -> Silence:
    """The silence of a posted body, before it is looked at. Raises Rejected."""
    value = {} if value is None else value
    if not isinstance(value, dict):
        _unreadable("silence", f"json: cannot unmarshal {kind_of(value)} into Go value of type {_IDENTIFIED}")
    silence_id = _text(value, "id", "silence", "", "") or ""
    texts = {name: _text(value, name, "silence", "Silence", None) for name in ("comment", "createdBy")}
    times = {name: _moment(value, name, "silence", "Silence") for name in ("startsAt", "endsAt")}
    matchers = _field(value, "matchers")
    if matchers is not None and not isinstance(matchers, list):
        _mistyped("silence", matchers, "Silence.matchers", "models.Matchers")
    found = [_matcher(one) for one in matchers or ()]
    for name, given in sorted({**texts, **times, "matchers": matchers}.items()):
        if given is None:
            raise Rejected(_REQUIRED, f"{name} in body is required")
        if name == "matchers":
            _check_matchers(found)
    return Silence(
        silence_id,
        tuple(Matcher(one["name"], _op(one), one["value"]) for one in found),
        times["startsAt"] or _ZERO,
        times["endsAt"] or _ZERO,
        texts["createdBy"] or "",
        texts["comment"] or "",
        _ZERO,
    )


def filters(texts: Sequence[str]) -> list[Matcher]:
    """Matchers of the parameter `filter`. Raises BadRequest in Alertmanager's words."""
    found = []
    for text in texts:
        try:
            found.append(parse_matcher(text))
        except ValueError as error:
            raise BadRequest(_matcher_problem(text)) from error
    return found


def flag(values: Sequence[str], default: bool) -> bool:
    """A true-or-false parameter, the last one given; what is not a word for true is false."""
    return values[-1].lower() in _TRUE if values and values[-1] else default


def _matcher_problem(text: str) -> str:
    shape = re.fullmatch(r"\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*(=~|=|!=|!~)\s*(.*?)\s*", text, re.DOTALL | re.ASCII)
    if shape is None:
        return f"bad matcher format: {text}"
    op, value = shape.groups()
    if "~" in op and (problem := complaint(value.removeprefix('"').removesuffix('"'))):
        return problem
    return f"matcher value contains unescaped double quote: {value}"


def _post(item: Any) -> Post:
    if not isinstance(item, dict):
        _unreadable("alerts", f"json: cannot unmarshal {kind_of(item)} into Go value of type {_POSTABLE}")
    return Post(
        annotations=_pairs(item, "annotations", ""),
        starts_at=_time(item, "startsAt", "alerts", ""),
        ends_at=_time(item, "endsAt", "alerts", ""),
        generator_url=_text(item, "generatorURL", "alerts", "Alert", "") or "",
        labels=_pairs(item, "labels", "Alert"),
    )


def _pairs(item: Mapping[str, Any], name: str, struct: str) -> dict[str, str]:
    pairs = _field(item, name)
    if pairs is None:
        return {}
    if not isinstance(pairs, dict):
        _mistyped("alerts", pairs, f"{struct}.{name}", "models.LabelSet")
    for key, value in pairs.items():
        if not isinstance(value, str):
            if value is not None:
                _mistyped("alerts", value, f"{struct}.{name}", "string")
            pairs = {**pairs, key: ""}
    return pairs


def _time(item: Mapping[str, Any], name: str, what: str, struct: str) -> datetime | None:
    """Year one is Go's word for no time."""
    moment = _moment(item, name, what, struct)
    return None if moment == _ZERO else moment


def _moment(item: Mapping[str, Any], name: str, what: str, struct: str) -> datetime | None:
    text = _text(item, name, what, struct, None)
    try:
        return None if text is None else parsed(text)
    except BadTime as error:
        _unreadable(what, str(error))


def _text(item: Mapping[str, Any], name: str, what: str, struct: str, default: str | None) -> str | None:
    value = _field(item, name)
    if value is None:
        return default
    if not isinstance(value, str):
        _mistyped(what, value, f"{struct}.{name}", "string")
    return value


def _matcher(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        _mistyped("silence", item, "Silence.matchers", "models.Matcher")
    found = {}
    for name, kind, word in (
        ("isEqual", bool, "bool"),
        ("isRegex", bool, "bool"),
        ("name", str, "string"),
        ("value", str, "string"),
    ):
        value = _field(item, name)
        if value is not None and not isinstance(value, kind):
            _mistyped("silence", value, f"Matcher.matchers.{name}", word)
        found[name] = value
    return found


def _check_matchers(found: Sequence[Mapping[str, Any]]) -> None:
    if not found:
        raise Rejected(_TOO_FEW, "matchers in body should have at least 1 items")
    for index, one in enumerate(found):
        for name in ("isRegex", "name", "value"):
            if one[name] is None:
                raise Rejected(_REQUIRED, f"matchers.{index}.{name} in body is required")


def _op(one: Mapping[str, Any]) -> MatchOp:
    equal = one["isEqual"] is not False
    if one["isRegex"]:
        return MatchOp.REGEX if equal else MatchOp.NOT_REGEX
    return MatchOp.EQUAL if equal else MatchOp.NOT_EQUAL


def _field(item: Mapping[str, Any], name: str) -> Any:
    """Go's decoder takes a key in any case; the exact one goes first here."""
    if name in item:
        return item[name]
    return next((value for key, value in item.items() if key.lower() == name.lower()), None)


def _is_uri(text: str) -> bool:
    """What Go's `url.ParseRequestURI` takes, near enough."""
    return _URI.fullmatch(text) is not None and _BAD_ESCAPE.search(text.partition("?")[0]) is None


def _mistyped(what: str, value: Any, place: str, wanted: str) -> NoReturn:
    _unreadable(what, f"json: cannot unmarshal {kind_of(value)} into Go struct field {place} of type {wanted}")


def _unreadable(what: str, why: str) -> NoReturn:
    raise Rejected(400, f'parsing {what} body from "" failed, because {why}')
