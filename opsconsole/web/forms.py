"""What a form sends, read with a bound on its size and its time: anybody may post to `/login`."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

LARGEST = 16 * 1024
_SECONDS = 20.0


async def fields(request: Request) -> Mapping[str, str]:
    """The fields of a form as our pages send it, of each name the last. Raises HTTPException; may be asked for again."""
    if not hasattr(request.state, "fields"):
        request.state.fields = _parsed(await body(request, LARGEST))
    known: Mapping[str, str] = request.state.fields
    return known


async def body(request: Request, largest: int) -> bytes:
    """All of a request's body. Raises HTTPException where it is larger, or does not come within a bound of time."""
    read = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                read += chunk
                if len(read) > largest:
                    raise HTTPException(413, f"a form has {largest} bytes at most")
    except TimeoutError as error:
        raise HTTPException(408, "the form took too long to arrive") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the form broke off") from error
    return bytes(read)


def _parsed(body: bytes) -> dict[str, str]:
    """No database takes a zero byte in a text."""
    try:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise HTTPException(400, "a form has 50 fields at most") from error
    return {name: value.replace("\0", "\ufffd") for name, value in pairs}
