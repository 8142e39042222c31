"""Alertmanager's API: silences."""

import re
from collections.abc import Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from opsconsole.alerts.silence_rules import SilenceError, UnknownSilence
from opsconsole.alerts.silencing import Silences
from opsconsole.clock import Clock
from opsconsole.model import Matcher, Silence, SilenceState
from opsconsole.web.api import alertmanager_forms as forms
from opsconsole.web.api import alertmanager_json as form
from opsconsole.web.api.alertmanager_answer import received, said, words

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


class SilencesApi:
    def __init__(self, clock: Clock, silences: Silences) -> None:
        self._clock, self._silences = clock, silences

    async def listed(self, request: Request) -> Response:
        """`GET /silences`: a filter names matchers that a silence has."""
        wanted, now = forms.filters(request.query_params.getlist("filter")), self._clock.now()
        found = [silence for silence in self._silences.every() if _has(silence, wanted)]
        return said([form.silence(silence, now) for silence in in_order(found, now)])

    async def posted(self, request: Request) -> Response:
        """`POST /silences`: a new one, or another state of one that is there."""
        wanted = forms.silence(forms.body("silence", await received(request)))
        if wanted.starts_at >= wanted.ends_at:
            return words(400, "Failed to create silence: start time must be before end time")
        if wanted.ends_at < self._clock.now():
            return words(400, "Failed to create silence: end time can't be in the past")
        try:
            return said({"silenceID": await self._silences.set(wanted)})
        except SilenceError as error:
            return words(404 if isinstance(error, UnknownSilence) else 400, str(error))

    async def one(self, request: Request) -> Response:
        silence = self._silences.get(_id(request))
        return said(form.silence(silence, self._clock.now())) if silence else Response(status_code=404)

    async def expired(self, request: Request) -> Response:
        try:
            await self._silences.expire(_id(request))
        except UnknownSilence as error:
            return words(500, str(error))
        return Response(status_code=200)


def in_order(silences: Sequence[Silence], now: datetime) -> list[Silence]:
    """Those that hold first, by their end; then those to come, by their start; then those that are over, the last one first."""

    def place(silence: Silence) -> tuple[int, float]:
        match silence.state(now):
            case SilenceState.ACTIVE:
                return 0, silence.ends_at.timestamp()
            case SilenceState.PENDING:
                return 1, silence.starts_at.timestamp()
            case SilenceState.EXPIRED:
                return 2, -silence.ends_at.timestamp()

    return sorted(silences, key=place)


def _has(silence: Silence, wanted: Sequence[Matcher]) -> bool:
    return all(matcher in silence.matchers for matcher in wanted)


def _id(request: Request) -> str:
    """Raises Rejected."""
    silence_id: str = request.path_params["silence_id"]
    if not _UUID.fullmatch(silence_id):
        raise forms.Rejected(601, f'silenceID in path must be of type uuid: "{silence_id}"')
    return silence_id
