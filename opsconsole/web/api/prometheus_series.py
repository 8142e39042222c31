"""`series`, `labels`, `label/…/values`: which series there are, as Grafana's query editor asks."""

import re
from collections.abc import Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from opsconsole.model import Labels, Matcher
from opsconsole.promql.literals import quote
from opsconsole.web.api.prometheus_answer import Handler, endpoints, success
from opsconsole.web.api.prometheus_forms import FAR, BadData, Form, invalid
from opsconsole.web.api.prometheus_json import dumped, label_sets
from opsconsole.web.console import Console

T = TypeVar("T")
TRUNCATED = "results truncated due to limit"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPED = re.compile(r"_(_|[0-9a-fA-F]{1,6}_)")


def handlers(console: Console) -> dict[str, Handler]:
    """By their path."""
    endpoint = endpoints(console.compat)
    reader = console.reader

    async def series(request: Request, given: Form) -> Response:
        if not given.all("match[]"):
            raise BadData("no match[] parameter provided")
        limit, start_ms = given.limit(), _start_ms(given)
        try:
            wanted = given.selectors()
        except BadData as error:
            raise invalid("match[]", str(error)) from None
        found: dict[Labels, None] = {}
        for matchers in wanted:
            found |= dict.fromkeys(await reader.labels(matchers, start_ms))
        kept, warnings = _cut(sorted(found), limit)
        return success(request, label_sets(kept), warnings)

    async def label_names(request: Request, given: Form) -> Response:
        limit, start_ms, selected = given.limit(), _start_ms(given), given.selectors()
        names: set[str] = set()
        for matchers in _or_all(selected):
            names |= set(await reader.label_names(matchers, start_ms))
        return _texts(request, names, limit)

    async def label_values(request: Request, given: Form) -> Response:
        name = _label_name(request.path_params["name"])
        if console.compat == 2 and not _LABEL.fullmatch(name):
            raise BadData(f"invalid label name: {quote(name)}")
        limit, start_ms, selected = given.limit(), _start_ms(given), given.selectors()
        values: set[str] = set()
        for matchers in _or_all(selected):
            values |= set(await reader.label_values(name, matchers, start_ms))
        return _texts(request, values, limit)

    return {"series": endpoint(series), "labels": endpoint(label_names), "label/{name:path}/values": endpoint(label_values)}


def _start_ms(given: Form) -> int:
    """Where to look from; the whole past unless told. Both ends are read, so that a wrong one is refused."""
    start_ms = given.time_ms("start", -FAR)
    given.time_ms("end", FAR)
    return start_ms


def _or_all(selected: Sequence[tuple[Matcher, ...]]) -> Sequence[tuple[Matcher, ...]]:
    return selected or [()]


def _cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], list[str]]:
    return (found[:limit], [TRUNCATED]) if 0 < limit < len(found) else (found, [])


def _texts(request: Request, found: set[str], limit: int) -> Response:
    kept, warnings = _cut(sorted(found), limit)
    return success(request, [dumped(kept)], warnings)


def _label_name(text: str) -> str:
    """A name that is no identifier comes escaped: `U__a_2e_b` is `a.b`."""
    if not text.startswith("U__"):
        return text
    return _ESCAPED.sub(lambda found: "_" if found[1] == "_" else chr(int(found[1][:-1], 16)), text[3:])
