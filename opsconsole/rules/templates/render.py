"""Rendering a compiled template, within bounds."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from opsconsole.rules.templates.functions import FUNCTIONS, truth
from opsconsole.rules.templates.gofmt import output, shown
from opsconsole.rules.templates.gotime import Duration, Moment
from opsconsole.rules.templates.parser import (
    Branch,
    Call,
    Dot,
    Field,
    Function,
    Jump,
    Literal,
    Node,
    Output,
    Pipeline,
    Template,
    Term,
    Variable,
)
from opsconsole.rules.templates.tokens import TemplateError, Text
from opsconsole.rules.templates.values import Context, Element

MOST_STEPS = 20_000
LONGEST_OUTPUT = 65_536
DEEPEST_CALLS = 20
MOST_ARGUMENTS = 100
_FIELDS = {"Labels": "labels", "Value": "value", "ExternalLabels": "external_labels", "ExternalURL": "external_url"}

Scope = dict[str, list[Any]]
"""Variables, each in a cell of its own: a block copies the dict, so that it may set outer cells and hide them behind new ones."""
_NOTHING = object()


class Unanswered(Exception):
    """A template asks `query` something that the context has no answer for: find it, and render again."""

    def __init__(self, expr: str) -> None:
        super().__init__(expr)
        self.expr = expr


def render(template: Template, context: Context) -> str:
    """The text. Raises `TemplateError`, or `Unanswered` for the first query without an answer."""
    return _Renderer(template, context).text()


class _Jumped(Exception):
    def __init__(self, word: str) -> None:
        self.word = word


class _Renderer:
    def __init__(self, template: Template, context: Context) -> None:
        self._template, self._context = template, context
        self._out: list[str] = []
        self._length = self._steps = self._calls = 0

    def text(self) -> str:
        context = self._context
        scope: Scope = {
            "": [context],
            "labels": [context.labels],
            "externalLabels": [context.external_labels],
            "externalURL": [context.external_url],
            "value": [context.value],
        }
        self._nodes(self._template.body, context, scope)
        return "".join(self._out)

    def _nodes(self, nodes: Sequence[Node], dot: Any, scope: Scope) -> None:
        for node in nodes:
            self._step()
            match node:
                case Text(text):
                    self._write(text)
                case Output(pipeline):
                    value = self._pipeline(pipeline, dot, scope)
                    if not pipeline.assigned:
                        self._write(output(value))
                case Branch():
                    self._branch(node, dot, dict(scope))
                case Call(name, argument):
                    self._call(name, None if argument is None else self._pipeline(argument, dot, scope))
                case Jump(word):
                    raise _Jumped(word)

    def _branch(self, node: Branch, dot: Any, inner: Scope) -> None:
        value = self._pipeline(node.pipeline, dot, inner)
        if node.word == "range":
            self._range(node, value, dot, inner)
        elif truth(value):
            self._nodes(node.body, value if node.word == "with" else dot, inner)
        else:
            self._nodes(node.otherwise, dot, inner)

    def _range(self, node: Branch, value: Any, dot: Any, scope: Scope) -> None:
        items = _items(value)
        if not items:
            self._nodes(node.otherwise, dot, scope)
        for key, item in items:
            names = node.pipeline.assigned
            inner = dict(scope)
            for name, held in zip(names, (key, item) if len(names) == 2 else (item,), strict=False):
                _set(inner, name, held, new=node.pipeline.declares)
            try:
                self._nodes(node.body, item, inner)
            except _Jumped as jump:
                if jump.word == "break":
                    break

    def _call(self, name: str, argument: Any) -> None:
        body = self._template.defined.get(name)
        if body is None:
            raise TemplateError(f"template {name!r} is not defined")
        self._calls += 1
        if self._calls > DEEPEST_CALLS:
            raise TemplateError(f"templates call each other deeper than {DEEPEST_CALLS}")
        self._nodes(body, argument, {"": [argument]})
        self._calls -= 1

    def _pipeline(self, pipeline: Pipeline, dot: Any, scope: Scope) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            self._step()
            value = self._command(command, value, dot, scope)
        if len(pipeline.assigned) == 1:
            _set(scope, pipeline.assigned[0], value, new=pipeline.declares)
        return value

    def _command(self, command: tuple[Term, ...], piped: Any, dot: Any, scope: Scope) -> Any:
        first, *others = command
        if isinstance(first, Function) and first.name in ("and", "or"):
            return self._early(first.name, others, piped, dot, scope)
        arguments = [self._term(term, dot, scope) for term in others] + ([] if piped is _NOTHING else [piped])
        if isinstance(first, Function):
            return self._apply(first.name, arguments)
        if isinstance(first, Field):
            return _field(self._term(first.of, dot, scope), first.name, arguments)
        if arguments:
            raise TemplateError("only a function takes arguments")
        if first == Literal(None):
            raise TemplateError("nil is not a command")
        return self._term(first, dot, scope)

    def _early(self, name: str, terms: list[Term], piped: Any, dot: Any, scope: Scope) -> Any:
        """`and` and `or` look at no more arguments than they need."""
        value: Any = _NOTHING
        for term in terms:
            value = self._term(term, dot, scope)
            if truth(value) == (name == "or"):
                return value
        value = value if piped is _NOTHING else piped
        if value is _NOTHING:
            raise TemplateError(f"{name} needs an argument")
        return value

    def _term(self, term: Term, dot: Any, scope: Scope) -> Any:
        match term:
            case Literal(value):
                if isinstance(value, int) and not -(2**63) <= value < 2**63:
                    raise TemplateError(f"{value} overflows int")
                return value
            case Dot():
                return dot
            case Variable(name):
                if name not in scope:
                    raise TemplateError(f"undefined variable ${name}")
                return scope[name][0]
            case Field(of, name):
                return _field(self._term(of, dot, scope), name)
            case Function(name):
                return self._apply(name, [])
            case Pipeline():
                return self._pipeline(term, dot, scope)

    def _apply(self, name: str, arguments: list[Any]) -> Any:
        self._step()
        match name, arguments:
            case "query", [str(expr)]:
                if expr not in self._context.answers:
                    raise Unanswered(expr)
                return list(self._context.answers[expr])
            case "externalURL", []:
                return self._context.external_url
            case "now", []:
                return self._context.now
            case "pathPrefix", []:
                return urlsplit(self._context.external_url).path
        if name not in FUNCTIONS:
            raise TemplateError(f"{name}: wrong number or type of arguments")
        if len(arguments) > MOST_ARGUMENTS:
            raise TemplateError(f"{name}: more than {MOST_ARGUMENTS} arguments")
        try:
            return _bounded(FUNCTIONS[name](*arguments))
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from error
        except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise TemplateError(f"{name}: wrong number or type of arguments") from error

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_OUTPUT:
            raise TemplateError(f"the text grows past {LONGEST_OUTPUT} characters")
        self._out.append(text)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TemplateError(f"the template does not end within {MOST_STEPS} steps")


def _set(scope: Scope, name: str, value: Any, *, new: bool) -> None:
    if new:
        scope[name] = [value]
    elif name not in scope:
        raise TemplateError(f"undefined variable ${name}")
    else:
        scope[name][0] = value


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_OUTPUT:
        raise TemplateError(f"the text grows past {LONGEST_OUTPUT} characters")
    return value


def _field(value: Any, name: str, arguments: list[Any] | None = None) -> Any:
    """A field, or what a method of that name answers."""
    if isinstance(value, Moment | Duration):
        try:
            return value.method(name, arguments or [])
        except (LookupError, TypeError, AttributeError, OverflowError, ValueError) as error:
            raise TemplateError(f"{shown(value)} cannot be asked for .{name} so") from error
    if arguments:
        raise TemplateError(f".{name} is no method and takes no arguments")
    if isinstance(value, Context | Element):
        if name not in _FIELDS or not hasattr(value, _FIELDS[name]):
            raise TemplateError(f"there is no field .{name} here")
        return getattr(value, _FIELDS[name])
    if isinstance(value, Mapping):
        return value.get(name, "")
    raise TemplateError(f"there is no field .{name} in {shown(value)}")


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(enumerate(value))
    if value is None:
        return []
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(min(value, MOST_STEPS))]
    raise TemplateError(f"range cannot go over {shown(value)}")
