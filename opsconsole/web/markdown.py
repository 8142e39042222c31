"""The Markdown that runbooks are written in, as HTML that is safe by construction: every text is escaped, nothing passes.

Headings, paragraphs, lists (nested by indentation, with code inside), fenced code, tables, quotes; inline code, bold,
italics and links. A link leads to http(s), to mail or to our own pages, else it is plain text.
"""

import re
from collections.abc import Callable, Iterator

from markupsafe import Markup, escape

_FENCE = re.compile(r"^(`{3,}|~{3,})")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_ITEM = re.compile(r"^(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$")
_RULE = re.compile(r"^(?:[-*_]\s*){3,}$")
_TABLE_LINE = re.compile(r"^\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$")
_INLINE = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)|<(https?://[^>\s]+)>")
_SAFE = re.compile(r"(?:https?://|mailto:|#|/(?![/\\])|(?![A-Za-z][A-Za-z0-9+.-]*:)[\w.-])")
_DEEPEST = 6


def html(text: str, link: Callable[[str], str] = str) -> Markup:
    """`text` rendered; `link` may rewrite the target of a link."""
    return Markup("\n").join(_blocks(text.expandtabs(4).splitlines(), link, 0))


def _blocks(lines: list[str], link: Callable[[str], str], depth: int) -> Iterator[Markup]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif fence := _FENCE.match(line.lstrip()):
            end = _closing(lines, at + 1, fence[1])
            yield _code(lines[at + 1 : end], len(line) - len(line.lstrip()))
            at = end + 1
        elif heading := _HEADING.match(line):
            level = len(heading[1])
            yield Markup("<h{}>{}</h{}>").format(level, _inline(heading[2], link), level)
            at += 1
        elif _RULE.match(line.strip()):
            yield Markup("<hr>")
            at += 1
        elif _ITEM.match(line) and depth < _DEEPEST:
            end = _end_of_list(lines, at)
            yield _list(lines[at:end], link, depth)
            at = end
        elif "|" in line and at + 1 < len(lines) and _TABLE_LINE.match(lines[at + 1].strip()) and "-" in lines[at + 1]:
            end = _while(lines, at, lambda each: "|" in each)
            yield _table(lines[at], lines[at + 2 : end], link)
            at = end
        elif line.lstrip().startswith(">"):
            end = _while(lines, at, lambda each: each.lstrip().startswith(">"))
            inner = [each.lstrip().removeprefix(">").removeprefix(" ") for each in lines[at:end]]
            quoted = _blocks(inner, link, depth + 1) if depth < _DEEPEST else [_paragraph(inner, link)]
            yield Markup("<blockquote>{}</blockquote>").format(Markup("").join(quoted))
            at = end
        else:
            end = max(at + 1, _while(lines, at, lambda each: bool(each.strip()) and not _begins_block(each)))
            yield _paragraph(lines[at:end], link)
            at = end


def _begins_block(line: str) -> bool:
    return bool(_FENCE.match(line.lstrip()) or _HEADING.match(line) or _ITEM.match(line) or line.lstrip().startswith(">"))


def _while(lines: list[str], at: int, holds: Callable[[str], bool]) -> int:
    while at < len(lines) and holds(lines[at]):
        at += 1
    return at


def _closing(lines: list[str], at: int, fence: str) -> int:
    return _while(lines, at, lambda line: not line.strip().startswith(fence))


def _code(lines: list[str], indent: int) -> Markup:
    body = "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines)
    return Markup("<pre><code>{}</code></pre>").format(body)


def _end_of_list(lines: list[str], at: int) -> int:
    """A list goes on over indented lines and, after a blank one, over whatever is an item or indented."""
    first = _ITEM.match(lines[at])
    indent = len(first[1]) if first else 0
    ordered = bool(first and first[2][0].isdigit())
    end = at + 1
    while end < len(lines):
        line = lines[end]
        inside = len(line) - len(line.lstrip()) > indent
        item = _ITEM.match(line)
        sibling = item is not None and len(item[1]) == indent and item[2][0].isdigit() == ordered
        lazy = bool(lines[end - 1].strip()) and not _begins_block(line)
        if line.strip() and not (inside or sibling or lazy):
            break
        end += 1
    return end


def _list(lines: list[str], link: Callable[[str], str], depth: int) -> Markup:
    first = _ITEM.match(lines[0])
    indent, mark = (len(first[1]), first[2]) if first else (0, "-")
    items: list[list[str]] = []
    width = 0
    for line in lines:
        item = _ITEM.match(line)
        if item and len(item[1]) == indent:
            width = item.start(3)
            items.append([item[3]])
        else:
            items[-1].append(line[width:] if not line[:width].strip() else line.lstrip())
    tag = "ol" if mark[0].isdigit() else "ul"
    body = Markup("").join(Markup("<li>{}</li>").format(_item(item, link, depth)) for item in items)
    return Markup("<{}>{}</{}>").format(tag, body, tag)


def _item(lines: list[str], link: Callable[[str], str], depth: int) -> Markup:
    """An item of one paragraph needs no paragraph around it."""
    blocks = list(_blocks(lines, link, depth + 1))
    if blocks and blocks[0].startswith("<p>"):
        blocks[0] = blocks[0][3:-4]
    return Markup("\n").join(blocks)


def _table(head: str, rows: list[str], link: Callable[[str], str]) -> Markup:
    def row(line: str, tag: str) -> Markup:
        cells = (
            Markup("<{}>{}</{}>").format(tag, _inline(cell.strip(), link), tag) for cell in line.strip().strip("|").split("|")
        )
        return Markup("<tr>{}</tr>").format(Markup("").join(cells))

    body = Markup("").join(row(line, "td") for line in rows)
    return Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(row(head, "th"), body)


def _paragraph(lines: list[str], link: Callable[[str], str]) -> Markup:
    return Markup("<p>{}</p>").format(_inline(" ".join(line.strip() for line in lines), link))


def _inline(text: str, link: Callable[[str], str]) -> Markup:
    made = Markup("")
    at = 0
    for match in _INLINE.finditer(text):
        made += escape(text[at : match.start()]) + _span(match, link)
        at = match.end()
    return made + escape(text[at:])


def _span(match: re.Match[str], link: Callable[[str], str]) -> Markup:
    code, bold, italic, words, target, bare = match.groups()
    if code is not None:
        return Markup("<code>{}</code>").format(code)
    if bold is not None:
        return Markup("<strong>{}</strong>").format(_inline(bold, link))
    if italic is not None:
        return Markup("<em>{}</em>").format(_inline(italic, link))
    address = bare or target
    if not _SAFE.match(address):
        return escape(words)
    return Markup('<a href="{}">{}</a>').format(link(address), bare or _inline(words, link))
