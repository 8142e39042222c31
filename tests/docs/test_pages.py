"""Links lead somewhere, examples of the configuration are valid, and the README stays what it promises."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsconsole import config, documents
from opsconsole.config import Config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_NAMED_FILE = re.compile(r"`([\w./]+(?:\.(?:py|md|yaml|toml|css|js|sh)|/))`")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _links(path: Path) -> Iterator[str]:
    for match in _LINK.finditer(_CODE.sub("", path.read_text())):
        yield match[1] or match[2]


def _anchors(path: Path) -> set[str]:
    """As GitHub and its likes make them of headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in _links(path):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), link
        assert target == ROOT or ROOT in target.parents, link
        assert not anchor or anchor in _anchors(target), link


class _AnyVariable(Mapping[str, str]):
    """An environment in which everything is set."""

    def __getitem__(self, name: str) -> str:
        return f"the-value-of-{name}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


def _examples() -> list[Any]:
    """Every YAML block whose keys are those of our configuration; blocks of other programs' files are not ours to check."""
    found = []
    for path in PAGES:
        for number, (language, text) in enumerate(_FENCE.findall(path.read_text())):
            if language == "yaml" and set(yaml.safe_load(text)) & set(Config.model_fields):
                found.append(pytest.param(text, id=f"{_name(path)}:{number}"))
    return found


def _completed(value: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A fragment with what it names and does not show: deployments, receivers, the files of secrets."""
    alerting, secret = value.get("alerting", {}), folder / "secret"
    secret.write_text("a secret text")
    (folder / "alertmanager.yml").write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
    wanted = [*value.get("slas", []), *value.get("heartbeats", {}).get("checks", [])]
    names = {one["deployment"] for one in wanted if "deployment" in one}
    if names and "deployments" not in value:
        value["deployments"] = [{"name": name, "url": "http://127.0.0.1:8080"} for name in sorted(names)]
    routes = [alerting.get("route", {}), *alerting.get("route", {}).get("routes", [])]
    named = {route["receiver"] for route in routes if "receiver" in route}
    if named and not alerting.get("receivers"):
        alerting["receivers"] = [{"name": name} for name in sorted(named)]
    if alerting.get("receivers") and "route" not in alerting:
        alerting["route"] = {"receiver": alerting["receivers"][0]["name"]}
    return _with_files(value, str(secret))


def _with_files(value: Any, secret: str) -> Any:
    if isinstance(value, dict):
        secrets = {key for key in value if key.endswith("_file") and key != "config_file"}
        return {key: secret if key in secrets else _with_files(item, secret) for key, item in value.items()}
    return [_with_files(item, secret) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("text", _examples())
def test_an_example_of_the_configuration_is_valid(text: str, tmp_path: Path) -> None:
    document = documents.parse(text, "example")
    whole = _completed(document.value, tmp_path)
    loaded = config.from_document(documents.Document("example", whole, document.lines), tmp_path, _AnyVariable())
    assert loaded.rule_groups or "rules" in whole


@pytest.mark.parametrize("name", ["README.md", "docs/reference/configuration.md"])
def test_a_whole_example_is_valid_as_it_stands(name: str, tmp_path: Path) -> None:
    [text] = [text for language, text in _FENCE.findall((ROOT / name).read_text()) if language == "yaml"]
    file = tmp_path / "opsconsole.yaml"
    file.write_text(text)
    assert config.load(file, _AnyVariable()).config.alerting.route.receiver == "oncall"


def test_the_architecture_names_files_that_exist() -> None:
    named = set(_NAMED_FILE.findall((ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 10
    assert [
        name for name in sorted(named) if not any((ROOT / folder / name).exists() for folder in ("", "opsconsole", "docs"))
    ] == []


def test_the_index_leads_to_every_page_of_the_reference() -> None:
    index = ROOT / "docs" / "reference" / "README.md"
    pages = {path.name for path in index.parent.iterdir()} - {index.name}
    assert pages <= set(_links(index))


def test_the_readme_opens_with_a_picture_that_is_not_heavy_and_both_commands() -> None:
    opening = (ROOT / "README.md").read_text().split("\n## ")[0]
    [picture] = [link for link in _links(ROOT / "README.md") if link in opening and link.endswith(".png")]
    assert (ROOT / picture).stat().st_size <= 200_000
    assert "\nmake run " in opening
    assert "\nmake test " in opening


def test_the_targets_that_the_readme_types_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"run", "test"} <= typed <= targets
