"""YAML documents whose every value knows its line, so that a problem can be told as `file:line: message`.

YAML as Go's libraries read it, since that is what Prometheus' and Alertmanager's files are written for: no sexagesimal
numbers (`7:00` is text), no dates, and a key given twice is an error. Where text is wanted, a bare `yes`, `1.50` or `0x10`
is the text that was written (`Written`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from opsconsole.model import ConfigError

Place = tuple[str | int, ...]
"""Where a value stands in a document: keys and indexes from the top."""


Model = TypeVar("Model", bound=BaseModel)

_TEXT, _LIST, _MAPPING, _NUMBER = "must be text", "must be a list", "must be a mapping", "must be a number"
_WHOLE, _BOOLEAN = "must be a whole number", "must be true or false"
_WANTED = {
    **dict.fromkeys(("string_type", "path_type"), _TEXT),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _MAPPING),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _BOOLEAN),
}
"""What a value must be, by the kind of pydantic's error."""
_SHOULD = re.compile(r"^(?:Input|String|Value|Tuple|List|Dictionary) should ")

_MOST_PLACES = 200_000


class Written(dict[Any, Any]):
    """A mapping's values; `written` has its keys, and its bare numbers and booleans, as the texts that stand in the file."""

    written: dict[Any, Any]


class _Loader(yaml.SafeLoader):
    def written(self, node: yaml.MappingNode) -> Iterator[Written]:
        found = Written()
        found.written = {}
        yield found
        found.update(self.construct_mapping(node))
        for key, item in node.value:
            name, value = self.construct_object(key), found[self.construct_object(key)]
            found.written[_bare(key, name)] = _bare(item, value)


def _bare(node: yaml.Node, value: Any) -> Any:
    return node.value if isinstance(value, bool | int | float) and isinstance(node, yaml.ScalarNode) else value


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.written)

_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0o?[0-7_]+|0x[0-9a-fA-F_]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its plain value, and the line (from 1) at which each place of it begins.

    `followed`: the file has more documents, which were not read.
    """

    name: str
    value: Any
    lines: dict[Place, int] = field(repr=False)
    followed: bool = False

    def line(self, place: Place) -> int:
        """The line of `place`, or of the nearest place around it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, message: str) -> str:
        return f"{self.name}:{self.line(place)}: {message}"


def parse(text: str, name: str, *, first: bool = False) -> Document:
    """Parse one YAML document; an empty one is None. Raises `ConfigError` with the line of the mistake.

    More documents are a mistake too, unless the `first` is wanted, whatever follows it.
    """
    try:
        loader = _Loader(text)
        node = _first_node(loader) if first else loader.get_single_node()
        lines: dict[Place, int] = {(): 1}
        if node is None:
            return Document(name, None, lines)
        duplicates: list[str] = []
        _mark(node, (), lines, duplicates, name)
        if duplicates:
            raise ConfigError(duplicates)
        return Document(name, loader.construct_document(node), lines, first and not loader.check_event(yaml.StreamEndEvent))
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError, RecursionError, ValueError) as error:
        raise ConfigError([_said(error, name)]) from error


def _first_node(loader: _Loader) -> yaml.Node | None:
    return loader.get_node() if loader.check_node() else None


def read(path: Path, *, first: bool = False) -> Document:
    """Read and parse a file, or its `first` document. Raises `ConfigError`."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path), first=first)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}:1: cannot be read: {error.strerror if isinstance(error, OSError) else error}"]) from error


def validated(document: Document, kind: type[Model]) -> Model:
    """The document's value as a pydantic model. Raises `ConfigError` with every problem at its line."""
    try:
        return kind.model_validate(document.value)
    except ValidationError as error:
        raise ConfigError(problems(document, error)) from error


def problems(document: Document, error: ValidationError) -> list[str]:
    """What pydantic found wrong, as `file:line: message` lines that name the key."""
    return [document.problem(found["loc"], _named(found)) for found in error.errors()]


def worded(found: Mapping[str, Any]) -> str:
    """A pydantic error in words for people who write YAML."""
    kind, value = found["type"], found["input"]
    if wanted := _WANTED.get(kind):
        if value is None:
            return f"is empty: {wanted}"
        quotes = kind == "string_type" and isinstance(value, int | float)
        return f"{wanted} (put it in quotes)" if quotes else wanted
    message = str(found["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _SHOULD.sub("must ", message).removesuffix(" after validation, not 0")


def _named(found: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f"unknown key {name}"
    if found["type"] == "missing":
        return f"{name} is missing"
    return f"{name}: {worded(found)}" if name else worded(found)


def _mark(node: yaml.Node, place: Place, lines: dict[Place, int], duplicates: list[str], name: str) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if len(lines) > _MOST_PLACES:
        raise ValueError(f"more than {_MOST_PLACES} values, with its aliases written out")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _mark(item, (*place, index), lines, duplicates, name)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, item in node.value:
            word = str(key.value)
            if word in seen and word != "<<":
                duplicates.append(f"{name}:{key.start_mark.line + 1}: {word!r} is given twice")
            seen.add(word)
            lines[(*place, word)] = key.start_mark.line + 1
            _mark(item, (*place, word), lines, duplicates, name)


def _said(error: Exception, name: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return f"{name}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}"
    if isinstance(error, RecursionError):
        return f"{name}:1: not YAML: nested too deeply"
    return f"{name}:1: not YAML: {' '.join(str(error).split())}"
