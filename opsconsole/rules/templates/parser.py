"""From words to a tree: pipelines, `if`, `range`, `with`, `define`, `template`, variables."""

import re
from dataclasses import dataclass, field, replace

from opsconsole.rules.templates.functions import NAMES
from opsconsole.rules.templates.tokens import Action, Kind, TemplateError, Text, Word, split

DEEPEST = 50
"""How far blocks and parentheses may nest."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Dot:
    pass


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """`.Name` of `of`."""

    of: "Term"
    name: str


@dataclass(frozen=True, slots=True)
class Function:
    name: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands from left to right, each a term and its arguments; a result goes to the next command as its last argument."""

    commands: tuple[tuple["Term", ...], ...]
    assigned: tuple[str, ...] = ()
    declares: bool = False


Term = Literal | Dot | Variable | Field | Function | Pipeline


@dataclass(frozen=True, slots=True)
class Output:
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`."""

    word: str
    pipeline: Pipeline
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    word: str


@dataclass(frozen=True, slots=True)
class Call:
    """`template "name" argument`."""

    name: str
    argument: Pipeline | None


Node = Text | Output | Branch | Jump | Call


@dataclass(frozen=True, slots=True)
class Template:
    """`source` is the text that it was made from."""

    body: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    source: str = ""


def compile_template(text: str) -> Template:
    """Raises `TemplateError` where the text is not a template, names an unknown function or an undeclared variable."""
    return replace(_Parser(split(text)).template(), source=text)


class _Parser:
    def __init__(self, parts: list[Text | Action]) -> None:
        self._parts, self._at = parts, 0
        self._defined: dict[str, tuple[Node, ...]] = {}
        self._known: list[str] = ["", "labels", "externalLabels", "externalURL", "value"]
        self._depth = self._loops = 0

    def template(self) -> Template:
        body, ended = self._block()
        if ended:
            raise TemplateError(f"unexpected {{{{{ended[0].text}}}}}")
        return Template(body, self._defined)

    def _block(self) -> tuple[tuple[Node, ...], tuple[Word, ...]]:
        """Nodes up to `else`, `end` or the end of the text, and the words of what ended them."""
        nodes: list[Node] = []
        while self._at < len(self._parts):
            part = self._parts[self._at]
            self._at += 1
            if isinstance(part, Text):
                nodes.append(part)
                continue
            first = part.words[0] if part.words else None
            if first is None:
                raise TemplateError("an action is empty")
            if first.kind is Kind.WORD and first.text in ("else", "end"):
                return tuple(nodes), part.words
            if (node := self._node(first, part.words)) is not None:
                nodes.append(node)
        return tuple(nodes), ()

    def _node(self, first: Word, words: tuple[Word, ...]) -> Node | None:
        if first.kind is not Kind.WORD:
            return Output(self._pipeline(words))
        match first.text:
            case "if" | "with" | "range":
                return self._branch(first.text, words[1:])
            case "break" | "continue":
                if not self._loops or len(words) > 1:
                    raise TemplateError(f"{first.text} stands outside range")
                return Jump(first.text)
            case "define":
                self._define(words)
                return None
            case "template":
                return self._call(words)
            case "block":
                return self._block_of(words)
            case _:
                return Output(self._pipeline(words))

    def _branch(self, word: str, words: tuple[Word, ...]) -> Branch:
        self._deeper()
        known = len(self._known)
        pipeline = self._pipeline(words, most=2 if word == "range" else 1)
        self._loops += word == "range"
        body, ended = self._block()
        self._loops -= word == "range"
        otherwise: tuple[Node, ...] = ()
        if ended and ended[0].text == "else":
            otherwise, ended = self._otherwise(word, ended)
        if not ended or len(ended) > 1:
            raise TemplateError(f"{word} has no end")
        del self._known[known:]
        self._depth -= 1
        return Branch(word, pipeline, body, otherwise)

    def _otherwise(self, word: str, words: tuple[Word, ...]) -> tuple[tuple[Node, ...], tuple[Word, ...]]:
        """What stands between `else` and `end`; `else if` and `else with` share the end of the first."""
        if len(words) == 1:
            return self._block()
        if words[1].text != word or word == "range":
            raise TemplateError(f"unexpected {words[1].text} after else")
        return (self._branch(word, words[2:]),), words[:1]

    def _define(self, words: tuple[Word, ...]) -> None:
        if len(words) != 2 or words[1].kind is not Kind.TEXT or self._depth:
            raise TemplateError('write define as {{define "name"}}, outside other blocks')
        self._body_of(words[1].text)

    def _block_of(self, words: tuple[Word, ...]) -> Call:
        """A definition that is called where it stands."""
        if len(words) < 3 or words[1].kind is not Kind.TEXT:
            raise TemplateError('write block as {{block "name" argument}}')
        call = self._call(words)
        self._body_of(words[1].text)
        return call

    def _body_of(self, name: str) -> None:
        self._deeper()
        known, self._known = self._known, [""]
        body, ended = self._block()
        if not ended or ended[0].text != "end":
            raise TemplateError(f"template {name!r} has no end")
        self._known = known
        self._depth -= 1
        if any(not isinstance(node, Text) or node.text.strip() for node in self._defined.get(name, ())):
            raise TemplateError(f"template {name!r} is defined twice")
        self._defined[name] = body

    def _call(self, words: tuple[Word, ...]) -> Call:
        if len(words) < 2 or words[1].kind is not Kind.TEXT:
            raise TemplateError('write template as {{template "name" argument}}')
        return Call(words[1].text, self._pipeline(words[2:]) if len(words) > 2 else None)

    def _pipeline(self, words: tuple[Word, ...], most: int = 1) -> Pipeline:
        names, operator, rest = _assignment(words, most)
        pipeline = self._commands(rest)
        if operator == ":=":
            self._known.extend(names)
        return Pipeline(pipeline.commands, names, operator == ":=")

    def _commands(self, words: tuple[Word, ...]) -> Pipeline:
        commands: list[tuple[Term, ...]] = []
        for piece in _pieces(words):
            terms = self._terms(piece)
            if not terms:
                raise TemplateError("a value is missing")
            if commands and not isinstance(terms[0], Function | Field | Variable):
                raise TemplateError("a pipeline can go on with a function only")
            commands.append(tuple(terms))
        return Pipeline(tuple(commands))

    def _terms(self, words: tuple[Word, ...]) -> list[Term]:
        terms: list[Term] = []
        at = 0
        while at < len(words):
            word = words[at]
            if word.kind is Kind.FIELD and terms and not word.spaced:
                terms[-1] = Field(terms[-1], word.text[1:])
                at += 1
            elif word.text == "(" and word.kind is Kind.MARK:
                end = _closing(words, at)
                self._deeper()
                terms.append(self._commands(words[at + 1 : end]))
                self._depth -= 1
                at = end + 1
            else:
                terms.append(self._term(word))
                at += 1
        return terms

    def _term(self, word: Word) -> Term:
        match word.kind:
            case Kind.TEXT:
                return Literal(word.text)
            case Kind.NUMBER:
                return Literal(_number(word.text))
            case Kind.DOT:
                return Dot()
            case Kind.FIELD:
                return Field(Dot(), word.text[1:])
            case Kind.VARIABLE:
                return self._variable(word.text[1:])
            case Kind.WORD:
                return _named(word.text)
            case _:
                raise TemplateError(f"unexpected {word.text!r}")

    def _variable(self, name: str) -> Variable:
        if name not in self._known:
            raise TemplateError(f"undefined variable ${name}")
        return Variable(name)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise TemplateError(f"blocks nest deeper than {DEEPEST}")


def _named(word: str) -> Term:
    constants: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
    if word in constants:
        return Literal(constants[word])
    if word not in NAMES:
        raise TemplateError(f"function {word!r} is not defined")
    return Function(word)


def _number(text: str) -> int | float:
    text = text.replace("_", "")
    try:
        return _whole(text) if re.fullmatch(r"[+-]?(?:[0-9]+|0[xXbBoO][0-9a-fA-F]+)", text) else _decimal(text)
    except ValueError as error:
        raise TemplateError(f"{text} is not a number") from error


def _whole(text: str) -> int:
    """A leading zero means octal."""
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits.isdigit() and digits[0] == "0":
        text = text.replace(digits, "0o" + digits)
    return int(text, 0)


def _decimal(text: str) -> float:
    return float.fromhex(text) if "x" in text.lower() else float(text)


def _assignment(words: tuple[Word, ...], most: int) -> tuple[tuple[str, ...], str, tuple[Word, ...]]:
    """The variables that a pipeline assigns, the operator, and the words after it."""
    for count in (1, 2):
        operator = words[2 * count - 1] if len(words) >= 2 * count else None
        if operator is None or operator.kind is not Kind.MARK or operator.text not in (":=", "="):
            continue
        targets = words[: 2 * count - 1]
        commas = all(comma.text == "," for comma in targets[1::2])
        if count > most or not commas or any(word.kind is not Kind.VARIABLE for word in targets[::2]):
            raise TemplateError("an assignment needs a variable on its left")
        return tuple(word.text[1:] for word in targets[::2]), operator.text, words[2 * count :]
    return (), "", words


def _pieces(words: tuple[Word, ...]) -> list[tuple[Word, ...]]:
    """The commands of a pipeline: split at the bars outside parentheses."""
    pieces: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        if word.kind is Kind.MARK:
            depth += (word.text == "(") - (word.text == ")")
            if word.text == "|" and not depth:
                pieces.append([])
                continue
        pieces[-1].append(word)
    return [tuple(piece) for piece in pieces]


def _closing(words: tuple[Word, ...], at: int) -> int:
    depth = 0
    for index in range(at, len(words)):
        if words[index].kind is Kind.MARK:
            depth += (words[index].text == "(") - (words[index].text == ")")
            if depth == 0:
                return index
    raise TemplateError("a parenthesis is not closed")
