"""How Alertmanager's API answers, and what it takes."""

import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from opsconsole.web.api.alertmanager_forms import Rejected
from opsconsole.web.api.alertmanager_json import dumped
from opsconsole.web.forms import body

MOST_SENT = 32 * 2**20
"""Bytes of a request."""
_JSON = "application/json"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def said(payload: Any) -> Response:
    return Response(dumped(payload), media_type=_JSON)


def words(status: int, text: str) -> Response:
    """A JSON text, as Alertmanager itself complains."""
    return Response(f"{json.dumps(text, ensure_ascii=False)}\n".encode("utf-8", "replace"), status, media_type=_JSON)


def rejected(error: Rejected) -> Response:
    """An object with a code, as go-openapi complains."""
    made = json.dumps({"code": error.code, "message": error.message}, ensure_ascii=False, separators=(",", ":"))
    headers = {"Allow": error.allowed} if error.allowed else None
    return Response(made.encode("utf-8", "replace"), error.status, headers, _JSON)


async def received(request: Request) -> bytes:
    """The body of a request that says it is JSON. Raises Rejected, HTTPException where it is too large or too slow."""
    raw = await body(request, MOST_SENT)
    kind, _, rest = request.headers.get("content-type", "application/octet-stream").partition(";")
    main, slash, sub = kind.strip().partition("/")
    if not _TOKEN.fullmatch(main) or (slash and not _TOKEN.fullmatch(sub)):
        why = "mime: expected token after slash" if slash else "mime: no media type"
        raise Rejected(400, f'parsing Content-Type header from "{kind + rest}" failed, because {why}')
    if kind.strip().lower() != _JSON and raw:
        raise Rejected(415, f'unsupported media type "{kind.strip().lower()}", only [{_JSON}] are allowed')
    return raw


def check_accepted(request: Request) -> None:
    """Whether the client reads JSON. Raises Rejected."""
    accepted = ",".join(request.headers.getlist("accept")).lower()
    kinds = [part.partition(";")[0].strip() for part in accepted.split(",")]
    if any(kinds) and not {"*/*", "application/*", _JSON} & set(kinds):
        raise Rejected(406, f"unsupported media type requested, only [{_JSON}] are available")
