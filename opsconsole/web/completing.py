"""What may follow in a half-written PromQL expression: where the cursor stands, and which words fit there. Pure.

An expression that is being typed does not parse, so that this reads tokens only: which bracket is open, and what stands
before it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from typing import Literal

from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES
from opsconsole.promql.tokens import go_quoted

MOST = 50
"""Suggestions at one time; nobody reads more."""
MOST_LOOKED_AT = 100_000
"""Names or values that a word is looked for in: each keystroke does, beside all else that the console has to do."""
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
    found: list[tuple[str, Kind]] = [(name, "metric") for name in islice(metrics, MOST_LOOKED_AT)]
    found += [(name, "function") for name in sorted({*SIGNATURES, *AGGREGATIONS})]
    found += [(name, "keyword") for name in KEYWORDS]
    kept = [nth for nth in _fitting([text for text, _ in found], at.word) if not _complete(*found[nth], at.word)]
    return [Suggestion(text, _word(text, kind), kind) for text, kind in (found[nth] for nth in kept[:MOST])]


def labels(at: Place, names: Iterable[str]) -> list[Suggestion]:
    ending = '="' if at.braces else ""
    shown = [name for name in islice(names, MOST_LOOKED_AT) if name != "__name__" or at.word.startswith("_")]
    fitting = (shown[nth] for nth in _fitting(shown, at.word))
    return [Suggestion(name, _label(name) + ending, "label") for name in fitting if ending or name != at.word][:MOST]


def values(at: Place, found: Iterable[str]) -> list[Suggestion]:
    """Label values, in the quotes that were begun; raw ones, in backticks, cannot hold a backtick."""
    shown = [value for value in islice(found, MOST_LOOKED_AT) if at.quoted != "`" or "`" not in value]
    return [Suggestion(shown[nth], _value(shown[nth], at.quoted), "value") for nth in _fitting(shown, at.word)[:MOST]]


def _complete(text: str, kind: Kind, word: str) -> bool:
    """There is nothing left to type."""
    return text == word and kind != "function"


def _word(text: str, kind: Kind) -> str:
    if kind == "function":
        return f"{text}("
    return text if kind == "keyword" or _PLAIN_METRIC.fullmatch(text) else "{" + go_quoted(text) + "}"


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else go_quoted(name)


def _value(value: str, begun: str) -> str:
    if begun == "`":
        return f"{value}`"
    body = go_quoted(value)[1:-1]
    if begun == "'":
        return body.replace('\\"', '"').replace("'", "\\'") + "'"
    return f'{body}"' if begun else f'"{body}"'


def _fitting(texts: Sequence[str], word: str) -> list[int]:
    """Which of them hold the word, by their numbers: those that begin with it first, then those that have it after an
    underscore, a colon or the like. One more than are shown, since the word itself may be among them."""
    if not word:
        return list(range(min(len(texts), MOST + 1)))
    wanted = word.lower()
    within = re.compile("[-_:./]" + re.escape(wanted)).search
    hits = ((at, nth, low) for nth, text in enumerate(texts) if (at := (low := text.lower()).find(wanted)) >= 0)
    ranked = ((0 if at == 0 else 1 if within(low) else 2, nth) for at, nth, low in hits)
    return [nth for _, nth in nsmallest(MOST + 1, ranked)]
