"""The built wheel, installed elsewhere beside nothing but the declared dependencies."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from uv import find_uv_bin

from tests.support.airflow import eventually
from tests.support.commands import Done, inherited, opsconsole
from tests.support.postgres import free_port

pytestmark = pytest.mark.timeout(900)  # what it installs may come from far away

ROOT = Path(__file__).parents[2]
KEY = "a-key-to-look-with"


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that has it."""
    folder = tmp_path_factory.mktemp("wheel")
    home, python = folder / "environment", folder / "environment" / "bin" / "python"
    _run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    uv = find_uv_bin()
    _run(uv, "venv", "-q", "--python", sys.executable, home)
    _run(uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", ROOT / "requirements" / "console.txt")
    _run(uv, "pip", "install", "-q", "--python", python, "--no-deps", wheel)
    return home


def call(home: Path, *arguments: str, cwd: Path) -> Done:
    return opsconsole(*arguments, cwd=cwd, program=[str(home / "bin" / "opsconsole")])


def python(home: Path, code: str, cwd: Path) -> list[str]:
    done = subprocess.run(
        [home / "bin" / "python", "-c", code], cwd=cwd, env=inherited(cwd), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file())


def test_it_says_its_version(installed: Path, tmp_path: Path) -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert call(installed, "--version", cwd=tmp_path) == Done(0, [f"opsconsole {version[1]}"], [])


def test_it_finds_its_own_rules_and_dashboards(installed: Path, tmp_path: Path) -> None:
    rules = sum(len(re.findall(r"^ +- (?:alert|record):", file.read_text(), re.M)) for file in ROOT.glob("alert_rules/*.yaml"))
    boards = len(list(ROOT.glob("dashboards/*.yaml")))
    assert min(rules, boards) > 0
    assert call(installed, "check", cwd=tmp_path) == Done(0, [f"valid: 0 deployments, {rules} rules, {boards} dashboards"], [])


@pytest.mark.parametrize("folder", ["alert_rules", "dashboards", "docs/runbooks", "canary_dags", "requirements"])
def test_it_has_the_content_that_stands_at_the_top_of_a_checkout(installed: Path, tmp_path: Path, folder: str) -> None:
    code = (
        f"from opsconsole import content; print(*(file.name for file in content.folder({folder!r}).iterdir() if file.is_file()))"
    )
    assert sorted(python(installed, code, tmp_path)) == sorted(file.name for file in (ROOT / folder).iterdir() if file.is_file())


def test_it_has_every_file_of_the_package(installed: Path, tmp_path: Path) -> None:
    code = "import opsconsole; print(*opsconsole.__path__)"
    (package,) = python(installed, code, tmp_path)
    assert package.startswith(str(installed))
    tracked = subprocess.run(["git", "ls-files", "opsconsole"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in tracked.splitlines() if not (Path(package).parent / name).is_file()] == []


def test_every_module_is_imported_with_declared_dependencies_alone(installed: Path, tmp_path: Path) -> None:
    """But for `db.migrations`, which Alembic runs, and the demo's sample Dags, which Airflow does."""
    code = """
import importlib, pkgutil, opsconsole
for found in pkgutil.walk_packages(opsconsole.__path__, "opsconsole."):
    if not found.name.startswith(("opsconsole.db.migrations.", "opsconsole.__main__", "opsconsole.demo.dags")):
        importlib.import_module(found.name)
        print(found.name)
"""
    assert {"opsconsole.service", "opsconsole.demo.showing", "opsconsole.promql.engine"} <= set(python(installed, code, tmp_path))


def test_the_demo_without_its_extras_says_how_to_get_them(installed: Path, tmp_path: Path) -> None:
    done = call(installed, "demo", "--cache", str(tmp_path / "cache"), cwd=tmp_path)
    assert (done.status, done.out) == (1, [])
    assert done.err == ["the demo's mail server needs aiosmtpd: pip install 'opsconsole[demo]'"]
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def serving(installed: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    (tmp_path / "opsconsole.yaml").write_text(
        f"auth: {{api_keys: [{{name: test, key: {KEY}}}]}}\nlisteners: {{statsd: {{listen: '127.0.0.1:0'}}}}\n"
    )
    process = subprocess.Popen(
        [installed / "bin" / "opsconsole", "serve", "--listen", f"127.0.0.1:{port}"], cwd=tmp_path, env=inherited(tmp_path)
    )
    try:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()


def test_it_serves_pages_with_all_that_they_load(serving: str) -> None:
    with httpx.Client(base_url=serving, trust_env=False, timeout=60, headers={"X-Api-Key": KEY}) as http:
        eventually("ready", lambda: http.get("/readyz").status_code == 200)
        page = http.get("/")
        assert page.status_code == 200
        loaded = re.findall(r'(?:src|href)="(/[^"]+\.(?:css|js|svg)[^"]*)"', page.text)
        assert len(loaded) >= 3
        assert {address: http.get(address).status_code for address in loaded} == dict.fromkeys(loaded, 200)
