"""`check --online`: who answers, and at which line it is told who does not."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsconsole.clock import SystemClock
from opsconsole.collectors.online import ask_all
from opsconsole.collectors.settings import Deployment
from tests.support.canned_airflow import TOKEN, Manner, canned_airflow
from tests.support.commands import Done, opsconsole
from tests.support.postgres import free_port
from tests.support.servers import Talk, answering, serving

LOGIN = {"username": "admin", "password": "a-password-that-must-not-show"}


def check(folder: Path, *deployments: dict[str, Any]) -> Done:
    """Each deployment's `name` is at the file's line 3 + 10 × its index, its other keys on the lines after."""
    blocks = [yaml.safe_dump([one], sort_keys=False).rstrip("\n") for one in deployments]
    padded = [block + "\n" * (10 - len(block.splitlines())) for block in blocks]
    (folder / "opsconsole.yaml").write_text("\ndeployments:\n" + "\n".join(padded))
    done = opsconsole("check", "--online", cwd=folder)
    return Done(done.status, done.out[1:], [line.replace(f"{folder}/", "") for line in done.err])


def named(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "url": url, "statsd_prefix": name, **more}


def test_those_that_answer_are_told_with_version_and_health(tmp_path: Path) -> None:
    with canned_airflow() as one, canned_airflow("hour_off") as two:
        done = check(tmp_path, named("prod", one, auth=LOGIN), named("test", two, auth={"token": TOKEN}))
    assert done == Done(0, ["prod: Airflow 3.3.2, healthy", "test: Airflow 3.3.2, healthy"], [])


def test_those_that_do_not_are_told_at_their_address_or_login_beside_those_that_do(tmp_path: Path) -> None:
    with canned_airflow() as well, canned_airflow("html") as shop, canned_airflow("refuses") as refuses:
        done = check(
            tmp_path,
            named("gone", f"http://127.0.0.1:{free_port()}", auth=LOGIN),
            named("shop", shop, auth=LOGIN),
            named("refuses", refuses, auth=LOGIN),
            named("well", well, auth=LOGIN),
            named("nologin", well),
        )
    assert (done.status, done.out) == (1, ["well: Airflow 3.3.2, healthy"])
    assert [line.split(" ")[:2] for line in done.err] == [
        ["opsconsole.yaml:4:", "gone:"],
        ["opsconsole.yaml:14:", "shop:"],
        ["opsconsole.yaml:26:", "refuses:"],
        ["opsconsole.yaml:43:", "nologin:"],
    ]
    assert "/api/v2/version" in done.err[0]
    assert "is no Airflow API" in done.err[1]
    assert done.err[2].endswith("Airflow 3.3.2 answers, but: login refused: check auth.username and auth.password")
    assert "401" in done.err[3]
    assert LOGIN["password"] not in "".join(done.err)


def test_a_token_command_or_a_ca_file_that_does_not_serve_is_told_at_its_line(tmp_path: Path) -> None:
    with canned_airflow() as url:
        done = check(
            tmp_path,
            named("command", url, auth={"token_command": f"{sys.executable} -c 'raise SystemExit(3)'"}),
            named("ca", "https://127.0.0.1:1", tls={"verify": True, "ca_file": "absent.pem"}),
        )
    assert (done.status, done.out) == (1, [])
    assert done.err[0].startswith("opsconsole.yaml:7: command: auth.token_command: exit status 3")
    assert done.err[1].startswith("opsconsole.yaml:18: ca: tls.ca_file: ")


async def test_the_schedulers_own_port_is_asked_too(tmp_path: Path) -> None:
    async with (
        serving(answering(b"")) as well,
        serving(answering(b"<html>", "503 Service Unavailable", "text/html")) as ill,
        serving(answering(b"", "404 Not Found")) as other,
    ):
        ports = {"well": well, "ill": ill, "gone": free_port(), "other": other}
        with canned_airflow() as url:
            asked = [
                named(name, url, auth=LOGIN, components={"scheduler": {"health_url": f"http://127.0.0.1:{port}/health"}})
                for name, port in ports.items()
            ]
            done = await asyncio.to_thread(check, tmp_path, *asked)
    assert (done.status, done.out) == (
        1,
        [
            "well: Airflow 3.3.2, healthy",
            f"well: scheduler at 127.0.0.1:{well}, healthy",
            "ill: Airflow 3.3.2, healthy",
            f"ill: scheduler at 127.0.0.1:{ill}, unhealthy",
            "gone: Airflow 3.3.2, healthy",
            "other: Airflow 3.3.2, healthy",
        ],
    )
    assert [line.split(" ")[:2] for line in done.err] == [["opsconsole.yaml:31:", "gone:"], ["opsconsole.yaml:41:", "other:"]]
    assert "scheduler health port: the connection is refused: is the scheduler running with" in done.err[0]
    assert "scheduler health port: status 404: is this the scheduler's health_url?" in done.err[1]


def test_a_file_that_is_not_valid_asks_nobody(tmp_path: Path) -> None:
    done = check(tmp_path, named("a b", f"http://127.0.0.1:{free_port()}"))
    assert (done.status, done.out) == (1, [])
    assert [line.split(": ")[:2] for line in done.err] == [["opsconsole.yaml:3", "deployments.0.name"]]


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_one_that_does_not_come_to_an_end_is_given_up(manner: Manner) -> None:
    with canned_airflow(manner) as slow:
        [one] = await ask_all([Deployment.model_validate(named("slow", slow, auth=LOGIN))], SystemClock(), within=1)
    assert (one.problem, one.setting) == ("not all was answered within 1 s", ("url",))


async def test_none_waits_for_another() -> None:
    """Each answers once both were asked."""
    asked: set[str] = set()
    both = asyncio.Event()

    def shop(name: str) -> Talk:
        async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
            asked.add(name)
            if len(asked) == 2:
                both.set()
            await both.wait()
            await answering(b"A shop", kind="text/html")(request, writer)

        return talk

    async with serving(shop("one")) as one, serving(shop("two")) as two:
        places = {"one": f"http://127.0.0.1:{one}", "two": f"http://127.0.0.1:{two}"}
        deployments = [Deployment.model_validate(named(name, url, auth=LOGIN)) for name, url in places.items()]
        told = await ask_all(deployments, SystemClock(), within=60)
    assert [(answer.deployment, "is no Airflow API" in answer.problem) for answer in told] == [("one", True), ("two", True)]
