"""`POST /prometheus/api/v1/write`: Prometheus' remote write 1.0, answered once the samples are durable.

What can be stored is, also where a request holds what cannot: that is named in a 400, which a Prometheus does not repeat.
A 503 says that nothing is acknowledged and the same should be sent again; samples that arrived already are then no news.
"""

import asyncio
import logging

import sqlalchemy as sa
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from opsconsole.collectors.formats.remote_write import Malformed
from opsconsole.collectors.remote_write import Account, Committing, RemoteWrite, TooLarge
from opsconsole.db.series import SupersededError
from opsconsole.model import MetricsStore
from opsconsole.web.console import Console
from opsconsole.web.gate import Gate
from opsconsole.web.identity import Role

log = logging.getLogger(__name__)

MOST_SENT = 32 * 2**20
"""Bytes of a request as it is sent."""
MOST_HELD = 128 * 2**20
"""Bytes of all requests that are being received or wait their turn."""
_AT_ONCE = 2
"""Requests that are uncompressed and read at the same time."""
_READ_SECONDS = 60.0
_COMMIT_SECONDS = 25.0
_RETRY = {"Retry-After": "5"}


class _Answer(Exception):
    """An answer before there is an account."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.response = PlainTextResponse(text + "\n", status, headers)


class WriteEndpoint:
    def __init__(self, listener: RemoteWrite, store: MetricsStore, console: Console, gate: Gate) -> None:
        self._listener, self._telemetry = listener, console.telemetry
        self._admit = gate.reads(Role.OPERATOR)  # no browser sends such a request without asking first, so it needs no token
        self._committing = Committing(lambda: store.commit(console.clock.now()))
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._held = 0

    async def write(self, request: Request) -> Response:
        await self._admit(request)
        try:
            response = await self._answer(request)
        except _Answer as early:
            response = early.response
        self._telemetry.remote_write_requests.labels(str(response.status_code)).inc()
        return response

    async def _answer(self, request: Request) -> Response:
        _check_kind(request)
        account = await self._received(request)
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._committing.wait()
        except (TimeoutError, sa.exc.SQLAlchemyError, SupersededError, OSError) as error:
            log.warning("a remote write could not be stored", extra={"why": type(error).__name__})
            raise _Answer(503, "the samples could not be stored: send them again", _RETRY) from error
        return _told(account)

    async def _received(self, request: Request) -> Account:
        body = bytearray()
        try:
            await self._read(request, body)
            async with self._turn:
                return await self._listener.take(bytes(body))
        except TooLarge as error:
            raise _Answer(413, str(error)) from error
        except Malformed as error:
            raise _Answer(400, str(error)) from error
        finally:
            self._held -= len(body)

    async def _read(self, request: Request, body: bytearray) -> None:
        """Read into `body`, whose bytes count as held from then on."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MOST_SENT:
            raise _too_large()
        try:
            async with asyncio.timeout(_READ_SECONDS):
                async for piece in request.stream():
                    if self._held + len(piece) > MOST_HELD:
                        raise _Answer(503, "too many requests at once: send it again", _RETRY)
                    body += piece
                    self._held += len(piece)
                    if len(body) > MOST_SENT:
                        raise _too_large()
        except TimeoutError as error:
            raise _Answer(408, f"the request did not come within {_READ_SECONDS:g} s", {"Connection": "close"}) from error
        except ClientDisconnect as error:
            raise _Answer(400, "the request broke off") from error


def routes(console: Console, gate: Gate) -> list[Route]:
    """The route to add to the application; none where there is nothing that samples could go to."""
    if console.store is None:
        return []
    listener = RemoteWrite(console.store, console.metadata, console.clock, console.telemetry)
    endpoint = WriteEndpoint(listener, console.store, console, gate)
    return [Route("/prometheus/api/v1/write", endpoint.write, methods=["POST"], include_in_schema=False)]


def _check_kind(request: Request) -> None:
    """Whether it is remote write 1.0 by what it says. Raises _Answer."""
    kind, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    proto = next((one.removeprefix("proto=").strip('"') for one in parameters if one.startswith("proto=")), "")
    if kind not in ("", "application/x-protobuf") or proto not in ("", "prometheus.writerequest"):
        raise _Answer(
            415, "this takes remote write 1.0: Content-Type: application/x-protobuf, the message prometheus.WriteRequest"
        )
    encoding = request.headers.get("content-encoding", "snappy").strip().lower()
    if encoding != "snappy":
        raise _Answer(415, f"Content-Encoding: {encoding[:40]} is not taken here: compress with snappy")


def _too_large() -> _Answer:
    return _Answer(413, f"a request has more than {MOST_SENT:,} bytes: send fewer samples at once", {"Connection": "close"})


def _told(account: Account) -> Response:
    done = account.appended
    if done.backlog:
        return PlainTextResponse(f"{done.backlog} samples found no room: the database is behind\n", 503, _RETRY)
    wrong = [
        (account.invalid, f"of series that cannot be: {account.wrong}"),
        (done.conflicting, "duplicate sample for timestamp: another value stands there"),
        (done.too_old, "out of bounds: older than the retention"),
        (account.ahead, "out of bounds: timestamp is too far in the future"),
        (done.series_limit, "of new series where a deployment has as many as it may (storage.metrics.max_series_per_deployment)"),
        (done.deployment_limit, "of new deployments where there are as many as may be (storage.metrics.max_deployments)"),
    ]
    said = [f"{count} sample{'s' if count > 1 else ''} refused, {why}" for count, why in wrong if count]
    return PlainTextResponse("; ".join(said) + "\n", 400) if said else Response(status_code=204)
