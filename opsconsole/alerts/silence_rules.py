"""What may be a silence, and what an edit of one comes to. Pure; Alertmanager 0.25, `silence/silence.go`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opsconsole.alerts.matchers import Condition
from opsconsole.model import Matcher, MatchOp, Silence, SilenceState
from opsconsole.promql.regexes import complaint_alone

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REGEXES = (MatchOp.REGEX, MatchOp.NOT_REGEX)


class SilenceError(ValueError):
    """A silence that cannot be, in Alertmanager's words."""


class UnknownSilence(SilenceError):
    """There is no silence of that id."""

    def __init__(self) -> None:
        super().__init__("silence not found")


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be written: `kept` is the silence as asked for (with a new id where `expired` had to end for it)."""

    kept: Silence
    expired: Silence | None = None


def set_silence(before: Silence | None, wanted: Silence, new_id: str, now: datetime) -> Edit:
    """A new silence, or an edit of the one `before`.

    What was silenced stays on record: an edit that changes the matchers, moves the start of one that holds or touches one that
    is over ends the old silence and makes another. A start in the past becomes now.
    """
    if before is not None and _may_become(before, wanted, now):
        return Edit(replace(wanted, updated_at=now))
    fresh = replace(wanted, id=new_id, starts_at=max(wanted.starts_at, now), updated_at=now)
    ends = before is not None and before.state(now) is not SilenceState.EXPIRED
    return Edit(fresh, expire(before, now) if before is not None and ends else None)


def expire(silence: Silence, now: datetime) -> Silence:
    """The silence ended now; one that is over stays as it is, one that has not begun never held."""
    match silence.state(now):
        case SilenceState.EXPIRED:
            return silence
        case SilenceState.ACTIVE:
            return replace(silence, ends_at=now, updated_at=now)
        case SilenceState.PENDING:
            return replace(silence, starts_at=now, ends_at=now, updated_at=now)


def check(silence: Silence) -> None:
    """Raises SilenceError where Alertmanager would refuse it."""
    if problem := _matchers_problem(silence.matchers):
        raise SilenceError(f"silence invalid: {problem}")
    if silence.ends_at < silence.starts_at:
        raise SilenceError("silence invalid: end time must not be before start time")


def _matchers_problem(matchers: Sequence[Matcher]) -> str:
    if not matchers:
        return "at least one matcher required"
    for index, matcher in enumerate(matchers):
        if problem := _matcher_problem(matcher):
            return f"invalid label matcher {index}: {problem}"
    if all(_takes_empty(matcher) for matcher in matchers):
        return "at least one matcher must not match the empty string"
    return ""


def _matcher_problem(matcher: Matcher) -> str:
    if not _NAME.fullmatch(matcher.name):
        return f"invalid label name {_quoted(matcher.name)}"
    if matcher.op in _REGEXES and (problem := complaint_alone(matcher.value)):
        return f"invalid regular expression {_quoted(matcher.value)}: {problem}"
    return ""


def _takes_empty(matcher: Matcher) -> bool:
    """Negative matchers never count as fitting the empty text, as in Alertmanager."""
    return matcher.op in (MatchOp.EQUAL, MatchOp.REGEX) and Condition([matcher]).fits({})


def _may_become(before: Silence, wanted: Silence, now: datetime) -> bool:
    if before.matchers != wanted.matchers:
        return False
    match before.state(now):
        case SilenceState.ACTIVE:
            return int(wanted.starts_at.timestamp()) == int(before.starts_at.timestamp()) and wanted.ends_at >= now
        case SilenceState.PENDING:
            return wanted.starts_at >= now
        case SilenceState.EXPIRED:
            return False


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
