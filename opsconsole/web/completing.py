"""What may follow in a half-written PromQL expression: where the cursor stands, and which words fit there. Pure.

An expression that is being typed does not parse, so that this reads tokens only: which bracket is open, and what stands
before it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES
from opsconsole.promql.tokens import go_quoted

MOST = 50
"""Suggestions at one time; nobody reads more."""
KEYWORDS = (
    *("and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right"),
    *("bool", "offset", "atan2", "start", "end", "inf", "nan"),
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
      | (?P<open>["'`].*)
      | (?P<number>[0-9.][0-9a-zA-Z_.]*)
      | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
      | (?P<symbol>=~|!~|!=|==|.)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_PLAIN_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Kind = Literal["metric", "function", "keyword", "label", "value"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor stands. `word` is what of the next word is typed already, `quoted` the quote that it began with.

    At `value` and `label`, `metric` is the metric whose braces these are, if it is known; at `value`, `label` is the label.
    """

    kind: Literal["expression", "label", "value", "nowhere"]
    word: str = ""
    quoted: str = ""
    metric: str = ""
    label: str = ""
    braces: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` is what the list shows, `insert` what takes the typed word's place."""

    text: str
    insert: str
    kind: Kind


@dataclass(slots=True)
class _Open:
    """An open bracket: which, whose, and the tokens within since its last comma."""

    bracket: str
    owner: str
    tokens: list[tuple[str, str]] = field(default_factory=list)


def place(before: str) -> Place:
    """Where the cursor stands after the text `before`."""
    stack = [_Open("", "")]
    last: tuple[str, str, int] = ("space", "", 0)
    for match in _TOKEN.finditer(before):
        kind, text = match.lastgroup or "symbol", match[0]
        last = (kind, text, match.end())
        if kind in ("space", "comment"):
            continue
        if text in ("(", "[", "{"):
            previous = stack[-1].tokens[-1] if stack[-1].tokens else ("", "")
            stack[-1].tokens.append(("symbol", text))
            stack.append(_Open(text, previous[1] if previous[0] == "word" else ""))
        elif text in (")", "]", "}") and len(stack) > 1:
            stack.pop()
        elif text == ",":
            stack[-1].tokens.clear()
        else:
            stack[-1].tokens.append((kind, text))
    return _within(stack[-1], *last[:2])


def _within(inside: _Open, kind: str, text: str) -> Place:
    if kind == "comment" or inside.bracket == "[" or kind == "number":
        return Place("nowhere")
    typed = text if kind == "word" else ""
    before = inside.tokens[:-1] if kind in ("word", "open") else inside.tokens
    if inside.bracket == "{":
        return _in_braces(inside.owner, before, kind, text, typed)
    if kind == "open":
        return Place("nowhere")
    if inside.bracket == "(" and inside.owner.lower() in _GROUPING:
        return Place("label", typed) if not before else Place("nowhere")
    return Place("expression", typed)


def _in_braces(metric: str, before: Sequence[tuple[str, str]], kind: str, text: str, typed: str) -> Place:
    match before:
        case []:
            return Place("label", typed, metric=metric, braces=True) if kind != "open" else Place("nowhere")
        case [(_, label), ("symbol", "=" | "!=" | "=~" | "!~")] if kind != "word":
            if kind == "open":
                return Place("value", text[1:], text[0], metric, label.strip("\"'`"))
            return Place("value", metric=metric, label=label.strip("\"'`"))
    return Place("nowhere")


def words(at: Place, metrics: Iterable[str]) -> list[Suggestion]:
    """What fits where an expression stands: metrics, functions and keywords."""
    found = [
        Suggestion(name, name if _PLAIN_METRIC.fullmatch(name) else "{" + go_quoted(name) + "}", "metric") for name in metrics
    ]
    found += [Suggestion(name, f"{name}(", "function") for name in sorted({*SIGNATURES, *AGGREGATIONS})]
    found += [Suggestion(name, name, "keyword") for name in KEYWORDS]
    return _fitting(found, at.word)


def labels(at: Place, names: Iterable[str]) -> list[Suggestion]:
    shown = [name for name in names if name != "__name__" or at.word.startswith("_")]
    return _fitting(
        [Suggestion(name, _label(name) + ('="' if at.braces else ""), "label") for name in shown],
        at.word,
    )


def values(at: Place, found: Iterable[str]) -> list[Suggestion]:
    """Label values, in the quotes that were begun; raw ones, in backticks, cannot hold a backtick."""
    mark = at.quoted or '"'
    fitting = [value for value in found if mark != "`" or "`" not in value]
    return _fitting([Suggestion(value, _value(value, at.quoted), "value") for value in fitting], at.word)


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else go_quoted(name)


def _value(value: str, begun: str) -> str:
    if begun == "`":
        return f"{value}`"
    body = go_quoted(value)[1:-1]
    if begun == "'":
        return body.replace('\\"', '"').replace("'", "\\'") + "'"
    return f'{body}"' if begun else f'"{body}"'


def _fitting(found: Sequence[Suggestion], word: str) -> list[Suggestion]:
    """Those that hold the word: that begin with it first, then that have it after an underscore or a colon."""
    if not word:
        return list(found[:MOST])
    wanted, ranked = word.lower(), []
    for order, one in enumerate(found):
        text = one.text.lower()
        if (at := text.find(wanted)) < 0 or one.insert == word:
            continue
        rank = 0 if at == 0 else 1 if any(mark + wanted in text for mark in "_:-./") else 2
        ranked.append((rank, order, one))
    return [one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])[:MOST]]
