"""Slack's mrkdwn as HTML, as far as the console writes it: bold, code, links."""

import html
import re

from markupsafe import Markup

_TOKEN = re.compile(r"```(.+?)```|`([^`\n]+)`|<(https?://[^|>\s]+)(?:\|([^>]*))?>|\*([^*\n]+)\*", re.DOTALL)


def as_html(text: str) -> Markup:
    """Safe HTML: everything that is not one of these forms is text."""
    out, end = "", 0
    for match in _TOKEN.finditer(text):
        out += _plain(text[end : match.start()]) + _marked(match)
        end = match.end()
    return Markup(out + _plain(text[end:]))  # noqa: S704 – every piece above is escaped


def _marked(match: re.Match[str]) -> str:
    block, code, url, name, bold = match.groups()
    if block is not None:
        return f"<pre>{_plain(block, breaks=False)}</pre>"
    if code is not None:
        return f"<code>{_plain(code)}</code>"
    if url is not None:
        return f'<a href="{_plain(url)}" rel="noreferrer">{_plain(name or url)}</a>'
    return f"<b>{_plain(bold)}</b>"


def _plain(text: str, breaks: bool = True) -> str:
    """Slack's own three escapes undone, and all of HTML's done."""
    escaped = html.escape(html.unescape(text))
    return escaped.replace("\n", "<br>") if breaks else escaped
