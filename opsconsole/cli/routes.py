"""`opsconsole routes test`: where the configuration sends an alert, told as `amtool config routes test --tree` tells it."""

from collections.abc import Iterator, Mapping, Sequence

from opsconsole.alerts.matchers import parse_matcher
from opsconsole.alerts.routing import Node, routes_of
from opsconsole.model import MatchOp

NOBODY = "nobody"
"""Stands for the receiver where the configuration has none."""


def labels_of(words: Sequence[str]) -> dict[str, str]:
    """Labels from `name=value` words; of one given twice the last counts. Raises ValueError."""
    labels = {}
    for word in words:
        matcher = parse_matcher(word)
        if matcher.op is not MatchOp.EQUAL:
            raise ValueError(f"{word!r} is not a label: write it like team=data")
        labels[matcher.name] = matcher.value
    return labels


def receivers(root: Node, labels: Mapping[str, str]) -> list[str]:
    """Who is told, in the order of the tree; a receiver that is reached twice stands twice."""
    return [node.receiver or NOBODY for node in routes_of(root, labels)]


def tree(root: Node, labels: Mapping[str, str]) -> list[str]:
    """The routes that the alert takes, as lines; at the end of each way its receiver."""
    return [".", *_branch(root, labels, "", last=True)]


def _branch(node: Node, labels: Mapping[str, str], indent: str, *, last: bool) -> Iterator[str]:
    below = _taken(node, labels)
    name = str(node.condition) if node.condition.matchers else "default-route"
    receiver = "" if below else f"  receiver: {node.receiver or NOBODY}"
    yield f"{indent}{'└──' if last else '├──'} {name}{receiver}"
    for index, child in enumerate(below):
        yield from _branch(child, labels, f"{indent}{'    ' if last else '│   '}", last=index == len(below) - 1)


def _taken(node: Node, labels: Mapping[str, str]) -> list[Node]:
    taken = []
    for child in node.children:
        if child.condition.fits(labels):
            taken.append(child)
            if not child.goes_on:
                break
    return taken
