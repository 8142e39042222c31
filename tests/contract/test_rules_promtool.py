"""Rules beside promtool: what it accepts and refuses, what its templates render, which unit tests hold for it."""

import shutil
from pathlib import Path

import pytest

from opsconsole import documents
from opsconsole.rules import loading, unittests
from opsconsole.rules.templates import TemplateError, compile_template
from tests.support import promtool

DATA = Path(__file__).parents[1] / "data" / "rules"
SERIES = (
    ('up{job="a",instance="h1.example.com:9100",zone="eu"}', "1+1x5"),
    ('up{job="b",instance="10.0.0.1:80"}', "2+1x5"),
    ('up{job="c",instance="[::1]:9"}', "0.5x5"),
    ('big{x="<b>&\\"q\\"", y="ünï", z="a\\nb\\tc\\\\d"}', "1234567.891x5"),
    ("neg", "-0.00012345x5"),
    ("notnum", "NaN NaN NaN NaN NaN"),
    ("toobig", "Inf Inf Inf Inf Inf"),
    ("ts", "1435065584.128x5"),
)
FAILED = "<error expanding template: "

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on this machine")


def templates() -> list[tuple[str, str]]:
    found = []
    for line in (DATA / "templates.txt").read_text().splitlines():
        if not line.startswith("##"):
            expr, _, text = line.rpartition(" ;; ")
            found.append((expr or 'up{job="a"}', text.replace("↵", "\n").replace("→", "\t")))
    return list(dict.fromkeys(found))


def _compiles(text: str) -> bool:
    try:
        compile_template(text)
    except TemplateError:
        return False
    return True


def test_a_template_that_one_refuses_the_other_refuses_too(tmp_path: Path) -> None:
    good = [pair for pair in templates() if _compiles(pair[1])]
    bad = [pair for pair in templates() if not _compiles(pair[1])]
    promtool.write_templates(tmp_path, good, SERIES)
    assert promtool.is_valid(tmp_path)
    assert len(bad) > 10
    for pair in bad:
        promtool.write_templates(tmp_path, [pair], SERIES)
        assert not promtool.is_valid(tmp_path), pair


async def test_a_template_renders_as_in_promtool(tmp_path: Path) -> None:
    good = [pair for pair in templates() if _compiles(pair[1])]
    promtool.write_templates(tmp_path, good, SERIES)
    theirs = promtool.rendered(tmp_path)
    ours = await _rendered(tmp_path, len(good))
    assert len(theirs) == len(good) > 200
    for number, pair in enumerate(good):
        assert _texts(ours[number]) == _texts(theirs[number]), pair


def _texts(texts: list[str]) -> list[str]:
    """In any order; of a mistake, that there is one."""
    return sorted(FAILED if text.startswith(FAILED) else text for text in texts)


async def _rendered(folder: Path, count: int) -> list[list[str]]:
    document = documents.read(folder / "test.yaml")
    groups = loading.load([folder / "rules.yaml"])
    found = await unittests.firing(document, groups)
    return [
        [finding.annotations.get("t", "") for finding in found if finding.labels["alertname"] == f"T{n}"] for n in range(count)
    ]
