"""`opsconsole silence`: asks a running console, through the API that it shares with Alertmanager."""

import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from opsconsole.alerts.matchers import parse_matchers
from opsconsole.config import Loaded
from opsconsole.model import Matcher, MatchOp, OpsConsoleError
from opsconsole.secrets import remember
from opsconsole.settings import parse_duration
from opsconsole.web import moments

Say = Callable[[str], None]
_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The console's address, and the key that lets in."""

    url: str
    api_key: str | None


def far_end(url: str | None, api_key: str | None, loaded: Callable[[], Loaded]) -> FarEnd:
    """What was typed; what was not, from the configuration. Raises OpsConsoleError where that is needed and not valid."""
    if url is not None and api_key is not None:
        return _far_end(url, api_key)
    config = loaded().config
    may = [one.key.get_secret_value() for one in config.auth.api_keys if one.role in ("operator", "admin")]
    # A key of the file is for the console of the file.
    own = may[0] if may and url is None else None
    return _far_end(url or config.server.address, api_key or own)


def _far_end(url: str, api_key: str | None) -> FarEnd:
    if not url.startswith(("http://", "https://")):
        raise OpsConsoleError(f"{url} is not the address of a console: write it like http://127.0.0.1:8600")
    if api_key:
        remember(api_key)
    return FarEnd(f"{url.rstrip('/')}/alertmanager/api/v2", api_key)


def matchers_of(words: Sequence[str]) -> list[Matcher]:
    """Raises ValueError."""
    return [matcher for word in words for matcher in parse_matchers(word)]


def end_of(now: datetime, lasting: str, until: str | None) -> datetime:
    """Raises ValueError."""
    ends = moments.moment(until, now) if until is not None else now + parse_duration(lasting)
    if ends <= now:
        raise ValueError("a silence ends later than now")
    return ends


def author(given: str | None) -> str:
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "opsconsole"


async def create(
    far_end: FarEnd, matchers: Sequence[Matcher], starts: datetime, ends: datetime, who: str, comment: str, say: Say
) -> None:
    body = {
        "matchers": [_json(matcher) for matcher in matchers],
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
        "createdBy": who,
        "comment": comment,
    }
    say((await _ask(far_end, "POST", "/silences", json=body))["silenceID"])


async def expire(far_end: FarEnd, silence_id: str) -> None:
    await _ask(far_end, "DELETE", f"/silence/{silence_id}")


async def show(far_end: FarEnd, matchers: Sequence[Matcher], say: Say) -> None:
    """Those that hold or will: id, state, end, matchers, who and why, with tabs between."""
    found = await _ask(far_end, "GET", "/silences", params={"filter": [str(_written(one)) for one in matchers]})
    for one in found:
        if one["status"]["state"] != "expired":
            words = ",".join(_read(matcher) for matcher in one["matchers"])
            cells = (one["id"], one["status"]["state"], one["endsAt"], words, one["createdBy"], one["comment"])
            say("\t".join(" ".join(_visible(cell).split()) for cell in cells))


async def _ask(far_end: FarEnd, method: str, path: str, **request: Any) -> Any:
    """The answer as JSON, None where it is empty. Raises OpsConsoleError."""
    headers = {"Authorization": f"Bearer {far_end.api_key}"} if far_end.api_key else {}
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, headers=headers) as http:
            answer = await http.request(method, far_end.url + path, **request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OpsConsoleError(f"{far_end.url}: no answer: {str(error) or type(error).__name__}") from error
    if answer.is_success:
        return _parsed(answer)
    raise OpsConsoleError(f"{far_end.url}: {_refusal(answer)}")


def _parsed(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError as error:
        raise OpsConsoleError(f"{answer.request.url} does not answer like a console") from error


def _refusal(answer: httpx.Response) -> str:
    if answer.status_code in (401, 403):
        return f"HTTP {answer.status_code}: give --api-key, or OPSCONSOLE_API_KEY, of role operator or admin"
    if answer.status_code == 404:
        return "HTTP 404: not found"
    said = " ".join(_visible(answer.text[:300]).split())
    return f"HTTP {answer.status_code}: {said}"


def _json(matcher: Matcher) -> dict[str, Any]:
    return {
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
        "isEqual": matcher.op in (MatchOp.EQUAL, MatchOp.REGEX),
    }


def _read(matcher: dict[str, Any]) -> str:
    op = ("=~" if matcher["isRegex"] else "=") if matcher.get("isEqual", True) else ("!~" if matcher["isRegex"] else "!=")
    return _written(Matcher(matcher["name"], MatchOp(op), matcher["value"]))


def _written(matcher: Matcher) -> str:
    value = matcher.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{matcher.name}{matcher.op}"{value}"'


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() or char.isspace() else f"\\x{ord(char):02x}" for char in str(text))
