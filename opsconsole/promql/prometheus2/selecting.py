"""What selects series: names, label matchers, and lists of labels."""

from opsconsole.model import Matcher, MatchOp
from opsconsole.promql.nodes import Selector
from opsconsole.promql.prometheus2.items import Items
from opsconsole.promql.prometheus2.words import Item, Kind, may_name_label
from opsconsole.promql.regexes import complaint, of_one_line

_NAME = "__name__"
_OPERATORS = ("=", "!=", "=~", "!~")
_CONTEXT = "label matching"


def selector(items: Items, name: Item | None) -> Selector:
    """`name`, whose name has been taken already, `name{…}` or `{…}`."""
    start = items.peek().position if name is None else name.position
    matchers = [Matcher(_NAME, MatchOp.EQUAL, name.text)] if name else []
    if items.accept("{"):
        matchers += _matchers(items)
    return Selector(tuple(matchers), position=start, named=name is not None)


def _matchers(items: Items) -> list[Matcher]:
    found: list[Matcher] = []
    while not items.accept("}"):
        found.append(_matcher(items))
        if not items.accept(",") and not items.sees("}"):
            items.unexpected(_CONTEXT, '"," or "}"')
    return found


def _matcher(items: Items) -> Matcher:
    if items.peek().kind is not Kind.IDENTIFIER:
        items.unexpected(_CONTEXT, 'identifier or "}"')
    label = items.take()
    if not items.sees(*_OPERATORS):
        items.unexpected(_CONTEXT, "label matching operator")
    op = MatchOp(items.take().text)
    if items.peek().kind is not Kind.STRING:
        items.unexpected(_CONTEXT, "string")
    value = items.string()
    if op not in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        return Matcher(label.text, op, value)
    if told := complaint(value):
        items.fail(label.position, told)
    return Matcher(label.text, op, of_one_line(value))


def grouping(items: Items) -> tuple[str, ...]:
    """`(a, b, …)`, as `by` and `on` take them."""
    context = "grouping opts"
    items.expect("(", context, '"("')
    found: list[str] = []
    while not items.accept(")"):
        if not may_name_label(items.peek()):
            items.unexpected(context, "label")
        label = items.take()
        if ":" in label.text:
            items.fail(label.position, f"unexpected {label.described()} in {context}, expected label")
        found.append(label.text)
        if not items.accept(",") and not items.sees(")"):
            items.unexpected(context, '"," or ")"')
    return tuple(found)
