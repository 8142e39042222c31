"""Alertmanager's API: alerts, as they fire, in their groups, and as others post them."""

import asyncio
from collections.abc import Callable, Iterable

import re2
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.alerts.groups import Firing
from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.alerts.matchers import Condition
from opsconsole.alerts.muting import Muted
from opsconsole.alerts.posted import Invalid, alert_of
from opsconsole.model import Alert
from opsconsole.promql.regexes import complaint
from opsconsole.web.api import alertmanager_json as form
from opsconsole.web.api.alertmanager_answer import received, said, words
from opsconsole.web.api.alertmanager_forms import BadRequest, body, filters, flag, posts
from opsconsole.web.console import Console

_AT_ONCE = 500
"""Alerts that are read or written before others have their turn."""


class AlertsApi:
    def __init__(self, console: Console, keeper: AlertKeeper) -> None:
        self._clock, self._keeper = console.clock, keeper
        self._resolve_timeout = console.alerting.global_.resolve_timeout

    async def listed(self, request: Request) -> Response:
        """`GET /alerts`, by fingerprint."""
        wanted, receiver = _Wanted(request), _receiver(request)
        firing = [one for one in self._keeper.firing() if any(map(receiver, one.receivers)) or not one.receivers]
        found = await self._shown(firing, wanted)
        found.sort(key=lambda pair: pair[0].fingerprint)
        return said([self._written(one, muted, one.receivers) for one, muted in found])

    async def grouped(self, request: Request) -> Response:
        """`GET /alerts/groups`, by labels and receiver; alerts name the receivers that were asked for."""
        wanted, receiver = _Wanted(request), _receiver(request)
        groups = [group for group in self._keeper.groups() if receiver(group.receiver)]
        groups.sort(key=lambda group: (form.by_labels(group.labels), group.receiver))
        every = {one.fingerprint: one for group in groups for one in group.firing}
        known = {one.fingerprint: (one, muted) for one, muted in await self._shown(every.values(), wanted)}
        answer = []
        for group in groups:
            inside = form.in_order([one for one in group.firing if one.fingerprint in known])
            alerts = [self._written(*known[one.fingerprint], sorted(filter(receiver, one.receivers))) for one in inside]
            if alerts:
                labels = dict(group.labels)
                answer.append({"alerts": alerts, "labels": labels, "receiver": {"name": group.receiver}})
        return said(answer)

    async def posted(self, request: Request) -> Response:
        """`POST /alerts`: answered once what is valid of it is durable; what is not is told, and keeps nothing else back."""
        sent = posts(body("alerts", await received(request)))
        now = self._clock.now()
        valid: list[Alert] = []
        wrong: list[str] = []
        for index, post in enumerate(sent):
            if index % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            try:
                valid.append(alert_of(post, now, self._resolve_timeout))
            except Invalid as error:
                wrong.append(str(error))
        if valid:
            await self._keeper.post(valid)
        return words(400, "; ".join(wrong)) if wrong else Response(status_code=200)

    async def _shown(self, firing: Iterable[Firing], wanted: "_Wanted") -> list[tuple[Firing, Muted]]:
        """Those that the filters let through, with why they are not told."""
        now, found = self._clock.now(), []
        for index, one in enumerate(firing):
            if index % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            if wanted.condition.fits(one.alert.labels):
                muted = self._keeper.muted(one.alert.labels, now)
                if wanted.shows(muted):
                    found.append((one, muted))
        return found

    def _written(self, one: Firing, muted: Muted, receivers: Iterable[str]) -> form.Json:
        return form.alert(one, muted, receivers, self._clock.now(), self._resolve_timeout)


class _Wanted:
    """The filters of a request. Raises BadRequest."""

    def __init__(self, request: Request) -> None:
        query = request.query_params
        self.condition = Condition(filters(query.getlist("filter")))
        self._active, self._silenced, self._inhibited = (
            flag(query.getlist(name), default=True) for name in ("active", "silenced", "inhibited")
        )

    def shows(self, muted: Muted) -> bool:
        hidden = (
            (not muted and not self._active)
            or ((muted.silenced_by or muted.maintained_by) and not self._silenced)
            or (muted.inhibited_by and not self._inhibited)
        )
        return not hidden


def _receiver(request: Request) -> Callable[[str], bool]:
    """Whether a receiver's name fits the one asked for. Raises BadRequest."""
    asked = request.query_params.getlist("receiver")
    if not asked or not asked[-1]:
        return lambda name: True
    if problem := complaint(asked[-1]):
        raise BadRequest(f"failed to parse receiver param: {problem}")
    regex = re2.compile(f"(?:{asked[-1]})")
    return lambda name: regex.fullmatch(name) is not None
