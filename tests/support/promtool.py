"""Rules and rule unit tests as promtool sees them."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from opsconsole.promql.literals import unquote

_GOT = re.compile(r"alertname: T(\d+), time(?:(?!alertname: ).)*?got:\[(?P<got>(?:(?!alertname: ).)*)", re.DOTALL)
_TEXT = re.compile(r'Annotations:\{t=("(?:[^"\\]|\\.)*")\}|Annotations:\{\}')


def run(*arguments: str) -> tuple[int, str]:
    """promtool's exit status and all that it said."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def write_templates(folder: Path, templates: Sequence[tuple[str, str]], series: Sequence[tuple[str, str]]) -> None:
    """`rules.yaml`: an alert `T0`, `T1`, … for each pair of an expression and a template, its annotation `t`; and `test.yaml`
    whose expectations never hold, so that promtool tells what it got instead.
    """
    rules = [{"alert": f"T{i}", "expr": expr, "annotations": {"t": text}} for i, (expr, text) in enumerate(templates)]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}, allow_unicode=True))
    never = [{"exp_labels": {"never": "so"}}]
    test = {
        "interval": "1m",
        "external_url": "https://ops.example.com/prom",
        "external_labels": {"dc": "x1"},
        "input_series": [{"series": name, "values": values} for name, values in series],
        "alert_rule_test": [{"eval_time": "3m", "alertname": f"T{i}", "exp_alerts": never} for i in range(len(rules))],
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(document))


def rendered(folder: Path) -> dict[int, list[str]]:
    """What promtool makes of the templates, by their number: a text for each alert."""
    _, said = run("test", "rules", str(folder / "test.yaml"))
    return {
        int(found[1]): [unquote(text[1]) if text[1] else "" for text in _TEXT.finditer(found["got"])]
        for found in _GOT.finditer(said)
    }


def is_valid(folder: Path) -> bool:
    return run("check", "rules", str(folder / "rules.yaml"))[0] == 0
