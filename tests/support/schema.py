"""The JSON Schema of the configuration, as editors want it; `python -m tests.support.schema` writes the published one.

The model's own schema says what the model holds; a file may also give a secret as `x_file`, and writes a duration as `15s`. The
descriptions are the meanings that `docs/reference/configuration.md` gives.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from opsconsole.config import Config
from opsconsole.settings import format_duration
from tests.support.tables import rows

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PUBLISHED = REFERENCE / "config.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_ISO_DURATION = re.compile(r"-?P[\dT].*")

Node = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """One key that a file may hold. `path` is dotted; `[]` marks a list of mappings, which itself is no setting."""

    path: str
    node: Node
    required: bool

    @property
    def kinds(self) -> set[str]:
        """What its value may be, in the words of JSON Schema, with `secret` and `duration` told apart."""
        return {_kind(choice) for choice in self.node.get("anyOf", [self.node])} - {"null"}

    @property
    def default(self) -> Any:
        """None where it has none, or an empty one."""
        return self.node.get("default") or (False if self.node.get("default") is False else None)


def settings() -> list[Setting]:
    """Every setting, in the order of the model."""
    schema = _model()
    return list(_settings(schema, schema, "", ()))


def published() -> str:
    """The text of the published schema."""
    schema = _model()
    for setting in _settings(schema, schema, "", ()):
        if meaning := meanings().get(setting.path):
            setting.node.setdefault("description", meaning)
    for node in (schema, *schema["$defs"].values()):
        _with_secret_files(node)
    titled = {"$schema": DRAFT, "title": "opsconsole.yaml", **{key: value for key, value in schema.items() if key != "title"}}
    return json.dumps(titled, indent=2, ensure_ascii=False) + "\n"


def meanings() -> dict[str, str]:
    """What the reference says of each setting, as plain text."""
    plain = re.compile(r"\[([^\]]*)\]\([^)]*\)")
    return {path: plain.sub(r"\1", meaning) for path, _, _, meaning in documented()}


def documented() -> list[tuple[str, str, str, str]]:
    """Path, type, default and meaning of each setting in the reference; a heading in code is what its keys stand below."""
    text = (REFERENCE / "configuration.md").read_text()
    found = []
    for section in re.split(r"^##+ ", text, flags=re.MULTILINE):
        prefix = named[1] + "." if (named := re.match(r"`([^`]+)`\n", section)) else ""
        for key, kind, default, meaning in rows(section, "key", "type", "default", "meaning"):
            found.append((prefix + key.strip("`"), kind, default, meaning))
    return found


def _model() -> Node:
    schema = Config.model_json_schema()
    _tidy(schema)
    return schema


def _tidy(node: Any) -> None:
    """Without titles that only repeat the key, and with defaults as a file writes them."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("title"), str):
        del node["title"]
    if isinstance(node.get("default"), str) and _ISO_DURATION.fullmatch(node["default"]):
        node["default"] = format_duration(TypeAdapter(timedelta).validate_python(node["default"]))
    if node.get("default", "") in (None, [], {}) or isinstance(node.get("default"), dict):
        del node["default"]
    for child in node.values():
        _tidy(child)


def _settings(schema: Node, node: Node, path: str, above: tuple[str, ...]) -> Iterator[Setting]:
    for key, value in node.get("properties", {}).items():
        child = f"{path}.{key}" if path else key
        name, listed = _section(schema, value)
        if name is None or name in above:
            yield Setting(child, value, key in node.get("required", ()))
        else:
            yield from _settings(schema, schema["$defs"][name], child + listed, (*above, name))


def _section(schema: Node, node: Node) -> tuple[str | None, str]:
    """The definition whose keys stand below this one, if any, and `[]` where there is a list of them and never just one."""
    for choice in node.get("anyOf", [node]):
        for place, listed in ((choice, ""), (choice.get("items", {}), "[]")):
            name = place.get("$ref", "").rpartition("/")[2]
            if "properties" in schema["$defs"].get(name, {}):
                return name, listed
    return None, ""


def _kind(choice: Node) -> str:
    if choice.get("format") == "password":
        return "secret"
    return "duration" if choice.get("const") == 0 else str(choice.get("type") or "string")


def _with_secret_files(node: Node) -> None:
    """Each secret `x` may be given as `x_file`, then `x` is not required."""
    properties = node.get("properties", {})
    for key in [key for key, value in properties.items() if _is_secret(value)]:
        properties[f"{key}_file"] = {"type": "string", "description": f"A file that holds `{key}`."}
        if key in node.get("required", ()):
            node["required"].remove(key)
            node["oneOf"] = [{"required": [key]}, {"required": [f"{key}_file"]}]


def _is_secret(node: Node) -> bool:
    return any(choice.get("format") == "password" for choice in node.get("anyOf", [node]))


if __name__ == "__main__":
    PUBLISHED.write_text(published())
