"""Requests with credentials, and statuses as errors; what both API generations share below their endpoints."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from opsconsole.airflow.credentials import Credentials, Headers
from opsconsole.airflow.errors import NotAirflow, Refused
from opsconsole.airflow.nouns import Page
from opsconsole.airflow.transport import Answer, Parameters, Request, Transport, shown
from opsconsole.model import CollectError
from opsconsole.secrets import redacted

T = TypeVar("T")

_DATE_IS_CUT = timedelta(seconds=0.5)  # a Date header tells whole seconds: half a second lost on average
_DOUBT = timedelta(seconds=2)


class ApiClient:
    """Asks below `prefix`; logs in again once where an answer says 401 or 403. Notes how far Airflow's clock is off."""

    def __init__(self, transport: Transport, credentials: Credentials, prefix: str) -> None:
        self._transport, self._credentials, self._prefix = transport, credentials, prefix
        self.skew: timedelta | None = None
        self._correction = timedelta(0)

    def airflow_time(self, ours: datetime) -> datetime:
        """What Airflow's clock showed at `ours`; a skew within the Date header's own error counts as none."""
        return ours + self._correction

    def our_time(self, airflows: datetime) -> datetime:
        return airflows - self._correction

    async def ask(self, path: str, parameters: Parameters = (), *, login: bool = True) -> Answer:
        """GET below the prefix: an answer with status 200 and JSON, or CollectError. Without `login` it waits for no other."""
        path = self._prefix + path
        headers = await self._credentials.headers(needed=login)
        answer = await self._send(path, parameters, headers, login)
        if answer.status in (401, 403) and headers and await self._credentials.renew(headers, answer):
            headers = await self._credentials.headers(needed=login)
            answer = await self._send(path, parameters, headers, login)
        if problem := _problem(f"GET {path}", answer, headers):
            raise problem
        return answer

    async def get(self, path: str, parameters: Parameters, read: Callable[[Any], T]) -> T:
        """`read` of the answer's body; an answer that it cannot read is a CollectError."""
        answer = await self.ask(path, parameters)
        return understood(path, read, answer.body)

    async def pages(
        self, path: str, key: str, parameters: Parameters, read: Callable[[Any], T], most: int, page: int = 100
    ) -> Page[T]:
        """Up to `most` items by pages of `page`; only the first page where there are more in all, so that one asks for less."""
        items: list[T] = []
        while True:
            more = (*parameters, ("limit", str(min(page, most))), ("offset", str(len(items))))
            found = await self.get(path, more, lambda body: _page(body, key, read))
            items += found.items
            if not found.items or len(items) >= found.total or found.total > most:
                return Page(items, max(found.total, len(items)))

    async def all(self, path: str, key: str, parameters: Parameters, read: Callable[[Any], T], most: int = 20_000) -> list[T]:
        """Every item of a list that is not expected to be long."""
        found = await self.pages(path, key, parameters, read, most)
        if found.total > most:
            raise CollectError(
                f"GET {self._prefix}{path}: {found.total} items, more than the {most} that are read", retryable=False
            )
        return list(found.items)

    def _note_skew(self, skew: timedelta) -> None:
        """Correct by the measured skew, and keep doing so while measurements agree: a time must not jitter with each answer."""
        self.skew = skew
        if abs(skew - self._correction) > _DOUBT:
            self._correction = skew if abs(skew) > _DOUBT else timedelta(0)

    async def _send(self, path: str, parameters: Parameters, headers: Headers, login: bool) -> Answer:
        answer = await self._transport.send(Request("GET", path, parameters, headers, urgent=not login))
        if answer.date is not None:
            middle = answer.sent_at + (answer.received_at - answer.sent_at) / 2
            self._note_skew(answer.date + _DATE_IS_CUT - middle)
        return answer


def understood(path: str, read: Callable[[Any], T], body: Any) -> T:
    try:
        return read(body)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        said = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:120]
        raise CollectError(f"GET {path}: the answer is not what Airflow gives ({said})", retryable=False) from error


def _page(body: Any, key: str, read: Callable[[Any], T]) -> Page[T]:
    items = [read(item) for item in body[key]]
    return Page(items, int(body.get("total_entries") or len(items)))


def _problem(asked: str, answer: Answer, sent: Headers) -> CollectError | None:
    if 300 <= answer.status < 400:
        return NotAirflow(
            f"{asked}: sends us on to {shown(answer.location)}: is that the url to configure, or is a login missing?"
        )
    if answer.status >= 400:
        return Refused(f"{asked}: {answer.status}{_detail(answer, sent)}{_hint(answer.status)}", answer.status)
    if answer.status != 200 or not answer.is_json:
        return NotAirflow(f"{asked}: no JSON in the answer: is url the Airflow's own address, with its path prefix?")
    return None


def _hint(status: int) -> str:
    return " (not logged in, or a permission is missing: check auth)" if status in (401, 403) else ""


def _detail(answer: Answer, sent: Headers) -> str:
    body = answer.body if isinstance(answer.body, dict) else {}
    said = body.get("detail") or body.get("title") or ""
    text = " ".join(str(said).split())
    for value in sent.values():
        secret = value.removeprefix("Bearer ").removeprefix("Basic ")
        text = text.replace(secret, "***") if len(secret) >= 4 else text
    return f": {redacted(text)[:160]}" if text else ""
