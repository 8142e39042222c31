"""The client against real sockets: servers that hang, drip, flood, and want TLS or a proxy; commands that print tokens."""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from opsconsole.airflow import Airflow, Limits, connect, open_http
from opsconsole.airflow.credentials import TokenCommand
from opsconsole.airflow.settings import Airflow as Settings
from opsconsole.clock import SystemClock
from opsconsole.model import CollectError
from tests.support.clock import FakeClock
from tests.support.postgres import free_port
from tests.support.servers import TLS, answering, dripping, endless, serving, silent

VERSION = answering(b'{"version": "3.3.2"}')
PATIENT = Limits(connect=60, read=60, total=60)


async def ask(url: str, limits: Limits = PATIENT, **settings: Mapping[str, Any]) -> Airflow:
    told = Settings.model_validate({"url": url, **settings})
    async with open_http(told, limits) as http:
        return await connect(told, http, SystemClock(), limits)


async def test_a_server_that_hangs_is_left_after_the_read_deadline() -> None:
    async with serving(silent) as port:
        with pytest.raises(CollectError, match=r"no answer for 0\.2 s") as caught:
            await ask(f"http://127.0.0.1:{port}", replace(PATIENT, read=0.2))
    assert caught.value.retryable


async def test_a_server_that_drips_is_left_after_the_whole_deadline() -> None:
    async with serving(dripping) as port:
        with pytest.raises(CollectError, match=r"no whole answer within 0\.5 s"):
            await ask(f"http://127.0.0.1:{port}", replace(PATIENT, total=0.5))


async def test_fifty_megabytes_are_refused_before_they_are_read() -> None:
    async with serving(endless) as port:
        with pytest.raises(CollectError, match="larger than 16 MiB"):
            await ask(f"http://127.0.0.1:{port}")


async def test_nobody_listening_is_one_line() -> None:
    with pytest.raises(CollectError, match=r"^GET /api/v2/version: All connection attempts failed$"):
        await ask(f"http://127.0.0.1:{free_port()}")


async def test_an_unknown_certificate_is_refused_and_the_mend_is_named() -> None:
    async with serving(VERSION, tls=True) as port:
        for scheme in ("https", "HTTPS"):
            with pytest.raises(CollectError, match=r"not trusted: give tls\.ca_file") as caught:
                await ask(f"{scheme}://127.0.0.1:{port}")
            assert not caught.value.retryable


async def test_a_ca_of_ones_own_is_trusted() -> None:
    async with serving(VERSION, tls=True) as port:
        airflow = await ask(f"https://127.0.0.1:{port}", tls={"ca_file": TLS / "cert.pem"})
        assert airflow.version == "3.3.2"
        assert (await ask(f"https://127.0.0.1:{port}", tls={"verify": False})).version == "3.3.2"


@pytest.mark.parametrize("name", ["missing.pem", "key.pem"])
def test_a_ca_file_that_cannot_be_used_is_named(name: str) -> None:
    settings = Settings.model_validate({"url": "https://airflow.test", "tls": {"ca_file": TLS / name}})
    with pytest.raises(CollectError, match=rf"tls\.ca_file: .*{name} cannot be used"):
        open_http(settings)


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def proxy(request: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(request.splitlines()[0])
        await VERSION(request, writer)

    async with serving(proxy) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        airflow = await ask("http://airflow.invalid:8080")
    assert airflow.version == "3.3.2"
    assert heads == [b"GET http://airflow.invalid:8080/api/v2/version HTTP/1.1"]


def command(code: str, deadline: float = 120) -> TokenCommand:
    return TokenCommand(f"{sys.executable} -c '{code}'", SystemClock(), deadline)


async def test_a_token_command_runs_once_for_all_who_wait() -> None:
    source = command("import os; print(os.getpid())")
    told = await asyncio.gather(*(source.headers() for _ in range(5)))
    assert len({headers["Authorization"] for headers in told}) == 1
    assert told[0]["Authorization"].startswith("Bearer ")


async def test_a_token_command_that_fails_tells_its_last_words() -> None:
    with pytest.raises(CollectError, match=r"exit status 3: please log in$"):
        await command('import sys; print("x\\nplease log in", file=sys.stderr); sys.exit(3)').headers()


async def test_a_token_command_that_fails_runs_again_only_after_a_while(tmp_path: Path) -> None:
    clock = FakeClock()
    script = tmp_path / "token.py"
    script.write_text(f"open({str(tmp_path / 'runs')!r}, 'a').write('.'); raise SystemExit(1)")
    credentials = TokenCommand(f"{sys.executable} {script}", clock, 120)
    for _ in range(3):
        with pytest.raises(CollectError, match="exit status 1"):
            await credentials.headers()
    assert (tmp_path / "runs").read_text() == "."
    clock.tick(10)
    script.write_text("print('later')")
    assert await credentials.headers() == {"Authorization": "Bearer later"}


async def test_a_token_command_that_outlasts_who_waits_serves_the_next(tmp_path: Path) -> None:
    go, runs, script = tmp_path / "go", tmp_path / "runs", tmp_path / "token.py"
    script.write_text(
        f"import os, time\nopen({str(runs)!r}, 'a').write('.')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('at-last')"
    )
    credentials = TokenCommand(f"{sys.executable} {script}", SystemClock(), 120)
    waiting = asyncio.create_task(credentials.headers())
    async with asyncio.timeout(60):
        while not runs.exists():
            await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.touch()
    assert await credentials.headers() == {"Authorization": "Bearer at-last"}
    assert runs.read_text() == "."


async def test_a_token_command_that_hangs_is_ended() -> None:
    with pytest.raises(CollectError, match=r"no token within 0\.3 s"):
        await command(f"import time; time.sleep(600)  # {(mark := secrets.token_hex(8))}", 0.3).headers()
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in left if line and mark in line[-1]]


@pytest.mark.parametrize("code", ["pass", 'print("two words")'])
async def test_a_token_command_must_print_one_token(code: str) -> None:
    with pytest.raises(CollectError, match="one token and nothing else"):
        await command(code).headers()


async def test_a_token_command_that_does_not_exist_is_named() -> None:
    with pytest.raises(CollectError, match="no-such-command: No such file"):
        await TokenCommand("no-such-command --now", SystemClock()).headers()
