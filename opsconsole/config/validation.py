"""A document's values as a `Config`: expanded from the environment, checked, every mistake in a person's words at its line."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsconsole import documents
from opsconsole.config.sections import Config
from opsconsole.documents import Document, Place
from opsconsole.model import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NAMES = {
    ("deployments", "name"): "may hold letters, digits, '.', '_' and '-' (63 at most), and begins with a letter or a digit",
    ("heartbeats", "checks", "slug"): "may hold a-z, 0-9, '-' and '_' only",
    ("heartbeats", "checks", "tags"): "may hold neither blanks nor commas",
}
"""What the patterns of names say, by place."""


def placed(config: Config, folder: Path) -> Config:
    """With the StatsD mapping files found beside the configuration file."""
    statsd = config.listeners.statsd
    beside = statsd.model_copy(update={"mappings": tuple(folder / path for path in statsd.mappings)})
    return config.model_copy(update={"listeners": config.listeners.model_copy(update={"statsd": beside})})


def validated(document: Document, folder: Path, environment: Mapping[str, str], problems: list[str]) -> Config:
    """The configuration; where there are `problems`, of the sections that have none, so that their files are checked too."""
    value = _beside(_expanded(document, document.value or {}, (), environment, problems), folder)
    if not isinstance(value, dict):
        raise ConfigError([f"{document.name}:1: a configuration is a mapping of sections such as deployments:"])
    try:
        return Config.model_validate(value)
    except ValidationError as error:
        problems += [_told(document, problem) for problem in error.errors()]
        faulty = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        return Config.model_validate(
            {key: section for key, section in value.items() if isinstance(key, str) and key not in faulty}
        )


def _expanded(document: Document, value: Any, place: Place, environment: Mapping[str, str], problems: list[str]) -> Any:
    """`value` with `${NAME}` and `${NAME:-default}` replaced from the environment in every text."""
    if isinstance(value, dict):
        return {key: _expanded(document, item, (*place, str(key)), environment, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(document, item, (*place, index), environment, problems) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def from_environment(match: re.Match[str]) -> str:
        name, default = match.groups()
        if name not in environment and default is None:
            problems.append(
                document.problem(place, f"the environment variable {name} is not set (or write ${{{name}:-default}})")
            )
        return environment.get(name) or default or ""

    return _VARIABLE.sub(from_environment, value)


def _beside(value: Any, folder: Path) -> Any:
    """`value` with every `x_file` that is a relative name found beside the configuration file."""
    if isinstance(value, list):
        return [_beside(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: str(folder / item) if isinstance(item, str) and str(key).endswith("_file") else _beside(item, folder)
        for key, item in value.items()
    }


def _told(document: Document, problem: Any) -> str:
    """A pydantic error in a person's words, at its line."""
    place: Place = tuple(part for part in problem["loc"] if isinstance(part, int) or _is_key(part))
    key = place[-1] if place else ""
    section = ".".join(str(part) for part in place[:-1]) or "the top level"
    if problem["type"] == "extra_forbidden":
        if not _is_key(written := str(problem["loc"][-1])):
            section, key, place = ".".join(map(str, place)) or "the top level", written, (*place, written)
        return document.problem(place, f"unknown key {key!r} in {section}{_nearest(str(key), place[:-1])}")
    if problem["type"] == "missing":
        return document.problem(place, f"{section} lacks the key {key!r}")
    message = documents.worded(problem)
    if problem["type"] == "string_pattern_mismatch":
        message = _NAMES.get(tuple(part for part in place if isinstance(part, str)), message)
    return document.problem(place, f"{'.'.join(map(str, place))}: {message}" if place else message)


def _is_key(part: str) -> bool:
    """Whether a part of pydantic's location is a key of the file rather than the name of a union's branch."""
    return re.fullmatch(r"[A-Za-z_][\w-]*", part) is not None and part not in ("function-before", "function-after")


def _nearest(key: str, section: Place) -> str:
    known = _keys_of(Config.model_json_schema(), section)
    near = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys_of(schema: dict[str, Any], section: Place) -> list[str]:
    """The keys that the JSON schema allows at `section`."""
    node = schema
    for part in section:
        node = _resolved(schema, node)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return list(_resolved(schema, node).get("properties", {}))


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for choice in node.get("anyOf", ()):
        if "$ref" in choice or "properties" in choice or "items" in choice:
            node = choice
    if "$ref" in node:
        found: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return found
    return node
