"""A message as Slack's Block Kit.

Limits: 50 blocks a message, 3,000 characters a text, 150 a header, 10 fields of 2,000 a section (Slack API reference,
"Blocks"). slack_sdk's models are imported on use; they refuse what Slack would refuse.
"""

from collections.abc import Iterable
from typing import Any

from opsconsole.model import Alert, AlertState, Occasion, summary
from opsconsole.notify.message import Line, Message, clock_time, downtime, in_words
from opsconsole.notify.sending import Letter

_SHAPES = {"critical": "■", "high": "■", "warning": "▲", "info": "◇"}
_MOST_TEXT = 2900
_REST = 30  # "… and 10000 more"


def blocks(message: Message) -> list[dict[str, Any]]:
    """Header, verdict, facts, alerts, error, first steps, links."""
    from slack_sdk.models.blocks import ContextBlock, HeaderBlock, MarkdownTextObject, PlainTextObject, SectionBlock

    made: list[Any] = [
        HeaderBlock(text=PlainTextObject(text=f"{shape(message)} {message.title}"[:150], emoji=False)),
        SectionBlock(text=_text(f"*{escaped(message.verdict)}*")),
    ]
    if message.handling:
        made.append(ContextBlock(elements=[_text(escaped(message.handling))]))
    if message.facts:
        fields = [_text(f"*{escaped(fact.name)}*\n{escaped(fact.value)}", 1900) for fact in message.facts[:10]]
        made.append(SectionBlock(fields=fields))
    if message.error:
        made.append(SectionBlock(text=_text(f"```{_fenced(message.error)}```")))
    if message.description:
        made.append(SectionBlock(text=_text(escaped(message.description))))
    if message.lines:
        made.append(SectionBlock(text=_text(_alerts(message))))
    if message.steps:
        steps = [f"{number}. {escaped(step)}" for number, step in enumerate(message.steps, 1)]
        made.append(SectionBlock(text=_text("*First steps*\n" + "\n".join(steps))))
    if message.links:
        links = _whole((f"<{_target(link.url)}|{escaped(link.text)}>" for link in message.links), " · ")
        made.append(ContextBlock(elements=[MarkdownTextObject(text=" · ".join(links))]))
    return [block.to_dict() for block in made]


def reply(letter: Letter) -> str:
    """What changed since the thread was last told, in a line or a few."""
    notification, message = letter.notification, letter.message
    if notification.occasion is Occasion.RESOLVED:
        told = f"● Resolved after {in_words(downtime(notification) or notification.at - notification.opened_at)}."
        return " ".join([told, *([escaped(_cut(notification.news))] if notification.news else [])])
    if notification.occasion is Occasion.HANDLED:
        return escaped(_cut(notification.news))
    if notification.occasion is Occasion.REPEATED:
        return f"{shape(message)} {escaped(message.verdict)}"
    known = set((letter.reference or {}).get("firing", ()))
    new = [alert for alert in notification.firing if alert.fingerprint not in known]
    changed = [
        *(f"{shape(message)} firing: {escaped(_named(alert))}" for alert in new[:10]),
        *(f"● resolved: {escaped(_named(alert))}" for alert in notification.resolved[:10]),
    ]
    at = clock_time(notification.at, notification.at)
    said = _counted(changed, len(new) + len(notification.resolved))
    return said or f"{shape(message)} {escaped(message.verdict)} ({at})"


def fallback_text(message: Message) -> str:
    """What a phone's notification shows, and clients without blocks."""
    return escaped(f"{shape(message)} {message.title}: {message.verdict}")


def shape(message: Message) -> str:
    """A state is a shape and a word, never a colour alone."""
    return "◇" if message.test else "●" if message.resolved else _SHAPES.get(message.severity, "▲")


def escaped(text: str) -> str:
    """Slack's three control characters; nothing in a text may mention a channel or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(text: str, most: int = _MOST_TEXT) -> Any:
    from slack_sdk.models.blocks import MarkdownTextObject

    return MarkdownTextObject(text=text if len(text) <= most else text[: most - 1] + "…", verbatim=True)


def _line(line: Line) -> str:
    mark = "●" if line.state is AlertState.RESOLVED else _SHAPES.get(line.severity, "▲")
    text = f"<{_target(line.url)}|{escaped(line.text)}>" if line.url else escaped(line.text)
    return f"{mark} {text} ({'resolved, ' if line.state is AlertState.RESOLVED else ''}since {line.since})"


def _alerts(message: Message) -> str:
    return _counted(map(_line, message.lines), len(message.lines) + message.more)


def _counted(lines: Iterable[str], of: int) -> str:
    """As many lines as Slack takes; the others are only counted."""
    shown = _whole(lines, "\n")
    return "\n".join([*shown, *([f"… and {of - len(shown)} more"] if of > len(shown) else [])])


def _whole(pieces: Iterable[str], separator: str) -> list[str]:
    """Those that fit, each of them whole: half a link is none."""
    kept, left = [], _MOST_TEXT - _REST
    for piece in pieces:
        if len(piece) + len(separator) <= left:
            left -= len(piece) + len(separator)
            kept.append(piece)
    return kept


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def _target(url: str) -> str:
    return escaped(url).replace("|", "%7C")


def _fenced(text: str) -> str:
    return escaped(text.replace("```", "'''"))[: _MOST_TEXT - 10]


def _named(alert: Alert) -> str:
    return summary(alert)[:200]
