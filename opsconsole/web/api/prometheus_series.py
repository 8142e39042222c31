"""`series`, `labels`, `label/…/values`: which series there are, as Grafana's query editor asks."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from opsconsole.model import Matcher
from opsconsole.promql.tokens import go_quoted
from opsconsole.web.api.prometheus_answer import Handler, endpoints, success, while_connected
from opsconsole.web.api.prometheus_forms import BadData, Form, invalid
from opsconsole.web.api.prometheus_json import dumped, label_sets
from opsconsole.web.api.prometheus_times import FAR
from opsconsole.web.console import Console

T = TypeVar("T")
Selected = tuple[Matcher, ...]
AT_ONCE = 4
"""Look-ups that go through the series at one time; more wait for their turn."""
TRUNCATED = "results truncated due to limit"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPED = re.compile(r"_(_|[0-9a-fA-F]{1,6}_)")


def handlers(console: Console) -> dict[str, Handler]:
    """By their path."""
    endpoint = endpoints(console.compat)
    reader, turns = console.reader, asyncio.Semaphore(AT_ONCE)

    async def gathered(request: Request, selected: Sequence[Selected], ask: Callable[[Selected], Awaitable[list[T]]]) -> set[T]:
        """What all selectors find together. Between two of them others have their turn."""

        async def work() -> set[T]:
            found: set[T] = set()
            async with turns:
                for matchers in dict.fromkeys(selected):
                    found |= set(await ask(matchers))
                    await asyncio.sleep(0)
            return found

        return await while_connected(request, work(), console.query_timeout.total_seconds())

    async def series(request: Request, given: Form) -> Response:
        if not given.all("match[]"):
            raise BadData("no match[] parameter provided")
        limit, window = given.limit(), _window(given)
        try:
            wanted = given.selectors()
        except BadData as error:
            raise invalid("match[]", str(error)) from None
        found = await gathered(request, wanted, lambda matchers: reader.labels(matchers, *window))
        kept, warnings = _cut(sorted(found), limit)
        return success(request, label_sets(kept), warnings)

    async def label_names(request: Request, given: Form) -> Response:
        limit, window, selected = given.limit(), _window(given), given.selectors()
        names = await gathered(request, selected or [()], lambda matchers: reader.label_names(matchers, *window))
        return _texts(request, names, limit)

    async def label_values(request: Request, given: Form) -> Response:
        name = _label_name(request.path_params["name"])
        if console.compat == 2 and not _LABEL.fullmatch(name):
            raise BadData(f"invalid label name: {go_quoted(name)}")
        limit, window, selected = given.limit(), _window(given), given.selectors()
        values = await gathered(request, selected or [()], lambda matchers: reader.label_values(name, matchers, *window))
        return _texts(request, values, limit)

    return {"series": endpoint(series), "labels": endpoint(label_names), "label/{name:path}/values": endpoint(label_values)}


def _window(given: Form) -> tuple[int, int | None]:
    """From when and until when to look (Unix milliseconds); the whole past unless told."""
    start_ms, end_ms = given.window_ms()
    return start_ms, None if end_ms == FAR else end_ms


def _cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], list[str]]:
    return (found[:limit], [TRUNCATED]) if 0 < limit < len(found) else (found, [])


def _texts(request: Request, found: set[str], limit: int) -> Response:
    kept, warnings = _cut(sorted(found), limit)
    return success(request, [dumped(kept)], warnings)


def _label_name(text: str) -> str:
    """A name that is no identifier comes escaped: `U__a_2e_b` is `a.b`. What escapes no character stands for itself."""
    if not text.startswith("U__"):
        return text
    try:
        return _ESCAPED.sub(lambda found: "_" if found[1] == "_" else _character(found[1][:-1]), text[3:])
    except ValueError:
        return text


def _character(code: str) -> str:
    """Raises ValueError where that is no character of UTF-8."""
    found = chr(int(code, 16))
    found.encode()
    return found
