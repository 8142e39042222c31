"""A stand-in for Slack's Web API: speaks the real protocol, records every call, and fails on request."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsconsole.clock import Clock

MOST_KEPT = 500
_NEEDED = {"conversations.list": {"channels:read"}, "conversations.history": {"channels:history"}}


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came, and how it was answered."""

    at: datetime
    method: str
    body: dict[str, Any]
    answer: str


@dataclass(slots=True)
class SlackMessage:
    """A message as a channel shows it; `versions` holds what it said before each edit."""

    channel: str
    ts: str
    at: datetime
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    replies: list["SlackMessage"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault:
    """How the next calls fail: an HTTP status (429 with `retry_after`), `hang`, `deaf` (done, and never answered), or a word
    that Slack would say."""

    kind: int | str
    retry_after: int = 1


class SlackStandin:
    """`app` is the ASGI app: `/api/chat.postMessage`, `/api/chat.update`, `/api/auth.test`, and `/services/…` for webhooks."""

    def __init__(self, clock: Clock, token: str, channels: frozenset[str] | None = None) -> None:
        """`channels`: the names that exist; None takes any."""
        self._clock, self._token, self._channels = clock, token, channels
        self.calls: list[Call] = []
        self.messages: dict[tuple[str, str], SlackMessage] = {}
        self._faults: deque[Fault] = deque()
        self._always: Fault | None = None
        self._sequence = 0
        self.pace = 0.0
        """Seconds that must lie between two messages of a channel, threads included; sooner is answered 429."""
        self._posted_at: dict[str, float] = {}
        self._names: dict[str, str] = {}
        self.scopes = frozenset({"chat:write", "channels:read", "channels:history"})
        self.app = Starlette(
            routes=[
                Route("/api/{method}", self._api, methods=["GET", "POST"]),
                Route("/services/{path:path}", self._webhook, methods=["POST"]),
            ]
        )

    def fail(self, kind: int | str, times: int = 1, retry_after: int = 1) -> None:
        """Let the next calls fail."""
        self._faults.extend([Fault(kind, retry_after)] * times)

    def fail_always(self, kind: int | str | None, retry_after: int = 1) -> None:
        """Let every call fail, until called with None."""
        self._always = None if kind is None else Fault(kind, retry_after)

    @property
    def shown(self) -> list[SlackMessage]:
        """Messages of the channels, oldest first, threads apart."""
        return list(self.messages.values())

    def name(self, message: SlackMessage) -> str:
        """The name of the message's channel, as it was first called."""
        return self._names.get(message.channel, message.channel)

    async def _api(self, request: Request) -> Response:
        method, body = request.path_params["method"], await _body(request)
        if (fault := self._fault()) is not None:
            if fault.kind == "deaf":
                self._answer(request, method, body)
            self._note(method, body, str(fault.kind))
            return await _failed(fault)
        if method == "chat.postMessage" and self._too_soon(str(body.get("channel"))):
            self._note(method, body, "ratelimited")
            return await _failed(Fault(429, max(1, round(self.pace))))
        answer = self._answer(request, method, body)
        self._note(method, body, "ok" if answer["ok"] else str(answer["error"]))
        return JSONResponse(answer)

    async def _webhook(self, request: Request) -> Response:
        body = await _body(request)
        if (fault := self._fault()) is not None:
            self._note("webhook", body, str(fault.kind))
            return await _failed(fault)
        if problem := _problem(body):
            self._note("webhook", body, problem)
            return PlainTextResponse(problem, status_code=400)
        self._post("#webhook", body)
        self._note("webhook", body, "ok")
        return PlainTextResponse("ok")

    def _answer(self, request: Request, method: str, body: dict[str, Any]) -> dict[str, Any]:
        given = request.headers.get("authorization", "")
        if not given:
            return _no("not_authed")
        if given != f"Bearer {self._token}":
            return _no("invalid_auth")
        if not self.scopes >= _NEEDED.get(method, set()):
            return _no("missing_scope")
        match method:
            case "auth.test":
                return {"ok": True, "team": "stand-in", "user": "opsconsole", "user_id": "U1", "bot_id": "B1"}
            case "chat.postMessage":
                return self._posted(body)
            case "chat.update":
                return self._updated(body)
            case "conversations.list":
                return {"ok": True, "channels": [{"id": known, "name": name.lstrip("#")} for known, name in self._names.items()]}
            case "conversations.history":
                return self._history(body)
            case _:
                return _no("unknown_method")

    def _history(self, body: dict[str, Any]) -> dict[str, Any]:
        channel, oldest = str(body.get("channel")), float(body.get("oldest") or 0)
        if not self._known(channel):
            return _no("channel_not_found")
        found = [one for (of, ts), one in self.messages.items() if of == channel and float(ts) > oldest]
        shown = [{"type": "message", "ts": one.ts, "text": one.text, "metadata": one.metadata} for one in reversed(found)]
        return {"ok": True, "messages": shown, "has_more": False}

    def _posted(self, body: dict[str, Any]) -> dict[str, Any]:
        name = str(body.get("channel", ""))
        if not name or (self._channels is not None and name not in self._channels and not self._known(name)):
            return _no("channel_not_found")
        if problem := _problem(body):
            return _no(problem)
        if parent := body.get("thread_ts"):
            thread = self.messages.get((name, str(parent)))
            if thread is None:
                return _no("thread_not_found")
            reply = self._made(name, body)
            thread.replies.append(reply)
            return {"ok": True, "channel": name, "ts": reply.ts}
        message = self._post(name, body)
        return {"ok": True, "channel": message.channel, "ts": message.ts, "message": {"text": message.text}}

    def _updated(self, body: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get((str(body.get("channel")), str(body.get("ts"))))
        if message is None:
            return _no("message_not_found" if self._known(str(body.get("channel"))) else "channel_not_found")
        if problem := _problem(body):
            return _no(problem)
        message.versions.append(message.text)
        message.text, message.blocks = str(body.get("text", "")), body.get("blocks") or []
        return {"ok": True, "channel": message.channel, "ts": message.ts, "text": message.text}

    def _post(self, channel: str, body: dict[str, Any]) -> SlackMessage:
        message = self._made(_channel_id(channel), body)
        self._names.setdefault(message.channel, channel)
        self.messages[message.channel, message.ts] = message
        while len(self.messages) > MOST_KEPT:
            del self.messages[next(iter(self.messages))]
        return message

    def _made(self, channel: str, body: dict[str, Any]) -> SlackMessage:
        now = self._clock.now()
        self._sequence += 1
        ts = f"{int(now.timestamp())}.{self._sequence:06d}"
        metadata = body.get("metadata") or {}
        return SlackMessage(channel, ts, now, str(body.get("text", "")), body.get("blocks") or [], metadata)

    def _too_soon(self, channel: str) -> bool:
        now, place = self._clock.now().timestamp(), _channel_id(channel)
        if now < self._posted_at.get(place, 0.0) + self.pace:
            return True
        self._posted_at[place] = now
        return False

    def _known(self, channel: str) -> bool:
        return any(of == channel for of, _ in self.messages)

    def _fault(self) -> Fault | None:
        return self._faults.popleft() if self._faults else self._always

    def _note(self, method: str, body: dict[str, Any], answer: str) -> None:
        self.calls.append(Call(self._clock.now(), method, body, answer))
        del self.calls[: -4 * MOST_KEPT]


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(await request.form())
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _failed(fault: Fault) -> Response:
    if fault.kind in ("hang", "deaf"):
        await asyncio.Event().wait()
    if fault.kind == 429:
        headers = {"Retry-After": str(fault.retry_after)}
        return JSONResponse(_no("ratelimited"), status_code=429, headers=headers)
    if isinstance(fault.kind, int):
        return PlainTextResponse("stand-in failure", status_code=fault.kind)
    return JSONResponse(_no(fault.kind))


def _no(word: str) -> dict[str, Any]:
    return {"ok": False, "error": word}


def _channel_id(name: str) -> str:
    """Slack answers a channel's id, whatever name it was called by."""
    return name if name.startswith("C0") else "C0" + name.lstrip("#").upper().replace("-", "")


def _problem(body: dict[str, Any]) -> str:
    """What Slack refuses of a message's content, as far as its limits go."""
    blocks = body.get("blocks") or []
    if not body.get("text") and not blocks:
        return "no_text"
    if len(str(body.get("text", ""))) > 40_000:
        return "msg_too_long"
    if len(blocks) > 50 or any(not _fits(block) for block in blocks):
        return "invalid_blocks"
    return ""


def _fits(block: dict[str, Any]) -> bool:
    text = str((block.get("text") or {}).get("text", ""))
    fields = block.get("fields") or []
    most = 150 if block.get("type") == "header" else 3000
    return len(text) <= most and len(fields) <= 10 and all(0 < len(one.get("text", "")) <= 2000 for one in fields)
