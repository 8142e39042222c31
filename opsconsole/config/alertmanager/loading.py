"""Reading an `alertmanager.yml`: the alerting that it stands for, and what of it could not be taken over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsconsole import documents
from opsconsole.alerts.settings import Global as AlertsGlobal
from opsconsole.alerts.settings import Route
from opsconsole.config.alertmanager.file import File, contradictions
from opsconsole.config.alertmanager.translation import Translator
from opsconsole.documents import Document, Place, Written
from opsconsole.model import ConfigError
from opsconsole.notify.settings import Receiver
from opsconsole.settings import parse_duration

_ROOT = {
    "group_by": [],
    "group_wait": parse_duration("30s"),
    "group_interval": parse_duration("5m"),
    "repeat_interval": parse_duration("4h"),
}
"""What the first route has of its own accord (Alertmanager, `dispatch/route.go`)."""


@dataclass(frozen=True)
class Imported:
    """`settings`: fields of our `alerting`; `warnings`: `file:line: warning: …` lines."""

    settings: Mapping[str, Any]
    warnings: tuple[str, ...]


def load(path: Path) -> Imported:
    """Read the file as Alertmanager does. Raises ConfigError with every problem at its line."""
    document = documents.read(path, first=True)
    file = documents.validated(Document(document.name, _given(document.value) or {}, document.lines), File)
    found = (*_empty_expressions(document.value, ()), *contradictions(file))
    if problems := [document.problem(place, message) for place, message in found]:
        raise ConfigError(problems)
    warnings: list[str] = []
    receivers = _receivers(file, document, path.absolute().parent, warnings)
    if file.templates:
        warnings.append(_warning(document, ("templates",), "templates are not run: messages are the console's own"))
    assert file.route is not None
    settings = {
        "global_": AlertsGlobal(resolve_timeout=file.global_.resolve_timeout),
        "route": _route(file.route, _ROOT),
        "inhibit_rules": list(file.inhibit_rules),
        "time_intervals": [*file.mute_time_intervals, *file.time_intervals],
        "receivers": receivers,
        "resolve_wait": None,
        "tell_muted_ends": False,
    }
    return Imported(settings, tuple(warnings))


def _given(value: Any) -> Any:
    """The value without keys that are left empty: to Alertmanager they are not there."""
    if isinstance(value, list):
        return [_given(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = Written({key: _given(item) for key, item in value.items() if item is not None})
    texts = getattr(value, "written", {})
    kept.written = {key: item for key, item in texts.items() if item is not None}
    return kept


def _empty_expressions(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """A label of `match_re` without an expression: the one thing that cannot be left empty."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if item is None and place and str(place[-1]).endswith("match_re"):
            yield (*place, key), f"invalid regexp value for {key!r}"
        yield from _empty_expressions(item, (*place, key))


def _route(route: Route, defaults: Mapping[str, Any] | None = None) -> Route:
    """A route as ours: an empty `group_by` or receiver is inherited, on the first route from Alertmanager's `defaults`."""
    update: dict[str, Any] = {"routes": [_route(child) for child in route.routes]} if route.routes else {}
    empty = [key for key in ("receiver", "group_by") if not getattr(route, key)]
    update |= dict.fromkeys(empty)
    for key, default in (defaults or {}).items():
        if key in empty or getattr(route, key) is None:
            update[key] = default
    copy = route.model_copy(update=update)
    copy.model_fields_set.difference_update(key for key in empty if update[key] is None)
    return copy


def _receivers(file: File, document: Document, folder: Path, warnings: list[str]) -> tuple[Receiver, ...]:
    translator = Translator(file.global_, folder)
    done = []
    for index, receiver in enumerate(file.receivers):
        place: Place = ("receivers", index)
        translated = translator.receiver(receiver)
        warnings += [_warning(document, (*place, *at), message) for at, message in translated.warnings]
        done.append(_checked(translated.settings, document, place, warnings))
    return tuple(done)


def _checked(settings: dict[str, Any], document: Document, place: Place, warnings: list[str]) -> Receiver:
    """The receiver; ways that ours refuse are left out, with the reason."""
    while True:
        try:
            return Receiver.model_validate(settings)
        except ValidationError as error:
            found = error.errors()[0]
            key = str(found["loc"][0])
            ways = settings[key]
            index = next((part for part in found["loc"][1:] if isinstance(part, int)), 0)
            told = f"receiver {settings['name']!r}: {key} is left out, nobody is told this way: {documents.worded(found)}"
            warnings.append(_warning(document, place, told))
            settings = {**settings, key: [way for at, way in enumerate(ways) if at != index]}


def _warning(document: Document, place: Place, message: str) -> str:
    return document.problem(place, f"warning: {message}")
