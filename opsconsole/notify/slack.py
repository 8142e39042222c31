"""Slack by bot token: one message an incident, edited in place, with what changed in its thread.

Calls go through httpx, since slack_sdk's own async client needs aiohttp.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx

from opsconsole.clock import Clock
from opsconsole.model import DeliveryError
from opsconsole.notify.blocks import blocks, fallback_text, reply
from opsconsole.notify.sending import Letter, Receipt, Reference, post
from opsconsole.notify.settings import Slack

_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "accesslimited"}
)
"""Slack's errors that time mends; any other stays until somebody changes something."""
_EVENT = "opsconsole_incident"
_BEFORE = timedelta(minutes=1)  # Slack's clock and ours differ
_MOST_PAGES = 20
_CANNOT_EDIT = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


class SlackBot:
    edits, folds = True, True

    def __init__(self, settings: Slack, http: httpx.AsyncClient, clock: Clock) -> None:
        assert settings.token is not None
        self._channel, self._api = settings.channel, settings.api_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._http, self._clock = http, clock

    async def send(self, letter: Letter) -> Receipt:
        content = {
            "text": fallback_text(letter.message),
            "blocks": blocks(letter.message),
            "unfurl_links": False,
        }
        reference = letter.reference or await self._sent_unheard(letter)
        if reference is not None:
            try:
                return await self._edit(letter, reference, content)
            except _CannotEditError:
                pass
        mark = {"event_type": _EVENT, "event_payload": {"key": _mark(letter)}}
        answer = await self._call("chat.postMessage", {"channel": self._channel, **content, "metadata": mark})
        return Receipt(f"posted {answer.get('ts')}", _reference(letter, answer))

    async def _edit(self, letter: Letter, reference: Reference, content: dict[str, Any]) -> Receipt:
        """Edit the message, then say in its thread what changed. Editing again after a failed reply does no harm."""
        place = {"channel": reference["channel"], "ts": reference["ts"]}
        answer = await self._call("chat.update", {**place, "text": content["text"], "blocks": content["blocks"]})
        if letter.quiet:
            return Receipt(f"edited {answer.get('ts')}", _reference(letter, {**place}))
        said = {"channel": reference["channel"], "thread_ts": reference["ts"], "text": reply(letter), "unfurl_links": False}
        await self._call("chat.postMessage", said)
        return Receipt(f"edited {answer.get('ts')}, replied in its thread", _reference(letter, {**place}))

    async def _sent_unheard(self, letter: Letter) -> Reference | None:
        """The incident's message, where an attempt that seemed to fail did post it: found by the mark it carries.

        Needs the scopes `channels:history` and, unless the channel is given by its id, `channels:read` (`groups:` for a
        private channel). Without them a message may be posted twice, and no more than that.
        """
        if letter.perhaps_sent_since is None:
            return None
        try:
            channel = await self._channel_id()
            oldest = (letter.perhaps_sent_since - _BEFORE).timestamp()
            asked = {"channel": channel, "oldest": f"{oldest:.6f}", "include_all_metadata": "true", "limit": "200"}
            history = await self._ask("conversations.history", asked)
        except DeliveryError as error:
            if not error.permanent:
                raise
            return None
        for message in history.get("messages", ()):
            if message.get("metadata", {}).get("event_payload", {}).get("key") == _mark(letter):
                return {"channel": channel, "ts": message["ts"]}
        return None

    async def _channel_id(self) -> str:
        """Slack reads a channel's history by its id only. Raises DeliveryError where the name is not found."""
        if not self._channel.startswith("#"):
            return self._channel
        for kind in ("public_channel", "private_channel"):
            async for channel in self._channels(kind):
                if channel.get("name") == self._channel.removeprefix("#"):
                    return str(channel["id"])
        raise DeliveryError(f"no channel {self._channel}", permanent=True)

    async def _channels(self, kind: str) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            asked = {"exclude_archived": "true", "limit": "200", "types": kind, **({"cursor": cursor} if cursor else {})}
            page = await self._ask("conversations.list", asked)
            for channel in page.get("channels", ()):
                yield channel
            cursor = page.get("response_metadata", {}).get("next_cursor", "")
            if not cursor:
                return

    async def _ask(self, method: str, form: dict[str, str]) -> dict[str, Any]:
        """Slack's reading methods take forms, not JSON."""
        response = await post(self._http, f"{self._api}/{method}", self._clock.now(), data=form, headers=self._headers)
        return _accepted(method, response)

    async def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await post(self._http, f"{self._api}/{method}", self._clock.now(), json=body, headers=self._headers)
        return _accepted(method, response)


class _CannotEditError(DeliveryError):
    """The message is gone, or too old to edit: a new one is posted."""


def _accepted(method: str, response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise DeliveryError(f"{method}: the answer is not Slack's") from error
    if not isinstance(answer, dict) or not answer.get("ok"):
        raise _refused(method, answer)
    return answer


def _mark(letter: Letter) -> str:
    """What tells this incident's message from every other console's."""
    one = letter.notification
    return f"{one.incident_id}/{one.receiver}/{one.opened_at.isoformat()}"


def _refused(method: str, answer: Any) -> DeliveryError:
    word = str(answer.get("error", "no reason")) if isinstance(answer, dict) else "no reason"
    if method == "chat.update" and word in _CANNOT_EDIT:
        return _CannotEditError(f"{method}: {word}")
    return DeliveryError(f"{method}: {word}", permanent=word not in _PASSING)


def _reference(letter: Letter, answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "channel": answer.get("channel", ""),
        "ts": answer.get("ts", ""),
        "firing": [alert.fingerprint for alert in letter.notification.firing],
    }
