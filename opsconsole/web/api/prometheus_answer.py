"""How Prometheus' API answers: in an envelope, compressed for who reads that, a large answer in pieces; and how it refuses."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from opsconsole.model import QueryError
from opsconsole.web.api.prometheus_forms import BadData, Form, form
from opsconsole.web.api.prometheus_json import bunched, dumped, envelope

Handler = Callable[[Request], Awaitable[Response]]
Answer = Callable[[Request, Form], Awaitable[Response]]
T = TypeVar("T")

_STATUS = {
    "bad_data": 400,
    "execution": 422,
    "timeout": 503,
    "canceled": 503,
    "unavailable": 503,
    "internal": 500,
    "not_found": 404,
}
_WORTH_PACKING = 1024
_MOST_TOLD = 10


def success(request: Request, data: Iterable[str], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Response:
    pieces = bunched(envelope(data, _few(warnings, "warning"), _few(infos, "info")))
    first = next(pieces)
    second = next(pieces, None)
    if second is not None:
        return _streamed(request, chain((first, second), pieces))
    if len(first) < _WORTH_PACKING or not _reads_gzip(request):
        return Response(first, media_type="application/json", headers={"Vary": "Accept-Encoding"})
    return _packed(zlib.compress(first, 4, wbits=31))


def refusal(kind: str, text: str) -> Response:
    """An error in Prometheus' words; `kind` is its error type."""
    body = f'{{"status":"error","errorType":{dumped(kind)},"error":{dumped(text)}}}'
    return Response(body.encode(errors="replace"), _STATUS.get(kind, 422), media_type="application/json")


def endpoints(compat: int) -> Callable[[Answer], Handler]:
    """What makes handlers that read the parameters first and word what goes wrong, as Prometheus 2 or 3 does."""

    def endpoint(answer: Answer) -> Handler:
        async def handler(request: Request) -> Response:
            try:
                return await answer(request, await form(request, compat))
            except BadData as error:
                return refusal("bad_data", str(error))
            except QueryError as error:
                return refusal(error.kind, _worded(error))

        return handler

    return endpoint


async def while_connected(request: Request, work: Awaitable[T], seconds: float) -> T:
    """The work's result. It is cancelled where the client goes away or time is up; raises QueryError then."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise QueryError("query was canceled in expression evaluation", "canceled")
        raise QueryError("query timed out in expression evaluation", "timeout")
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _worded(error: QueryError) -> str:
    """What is wrong with the expression is a wrong parameter."""
    text = str(error)
    return text if error.kind != "bad_data" or text.startswith("invalid parameter") else f'invalid parameter "query": {text}'


def _few(told: Sequence[str], kind: str) -> list[str]:
    if len(told) <= _MOST_TOLD:
        return list(told)
    return [*told[:_MOST_TOLD], f"{len(told) - _MOST_TOLD} more {kind} annotations omitted"]


def _streamed(request: Request, pieces: Iterator[bytes]) -> Response:
    headers = {"Vary": "Accept-Encoding"}
    if _reads_gzip(request):
        pieces, headers = _gzip(pieces), headers | {"Content-Encoding": "gzip"}
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


def _packed(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _reads_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    return any(one == "gzip" or (one.startswith("gzip;") and not one.endswith(("q=0", "q=0.0"))) for one in accepted)
