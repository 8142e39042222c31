"""A cluster that answers badly, behind a real socket: every question ends, with a reason."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from opsconsole.cluster.online import ask
from opsconsole.cluster.querier import ClusterQuerier
from opsconsole.cluster.settings import Settings
from opsconsole.cluster.transport import Transport, open_http
from opsconsole.model import OpsConsoleError, QueryError
from tests.support import servers
from tests.support.clock import NOON
from tests.support.servers import TLS, Talk, answering, serving

MOST = 2**20


@asynccontextmanager
async def querier(talk: Talk, *, tls: bool = False, ca: bool = False, timeout: str = "60s") -> AsyncIterator[ClusterQuerier]:
    async with serving(talk, tls=tls) as port:
        trusted = {"ca_file": TLS / "cert.pem"} if ca else {}
        url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        settings = Settings.model_validate({"query_url": url, "timeout": timeout, "tls": trusted})
        async with open_http(settings) as http:
            yield ClusterQuerier(Transport(http, settings, MOST), settings)


def gzipped(size: int) -> Talk:
    body = gzip.compress(b" " * size)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"

    async def talk(request: bytes, writer: object) -> None:
        writer.write(head.encode() + body)  # type: ignore[attr-defined]

    return talk


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (servers.silent, "within 1 s|in time"),
        (servers.dripping, "no whole answer within 1 s"),
        (servers.endless, "larger than 1 MiB"),
        (gzipped(4 * 2**20), "larger than 1 MiB"),
        (answering(b"<html>", "502 Bad Gateway", "text/html"), "answers 502: <html>"),
        (answering(b"", "401 Unauthorized"), "credentials in storage.metrics.headers are refused"),
        (answering(b"", "302 Found"), "give the final address"),
        (answering(b'{"status":"success"'), "does not answer as Prometheus does"),
    ],
)
async def test_a_bad_answer_is_a_reason(talk: Talk, reason: str) -> None:
    async with querier(talk, timeout="1s" if "1 s" in reason else "60s") as cluster:
        questions: list[Callable[[], Awaitable[object]]] = [
            lambda: cluster.instant("up", NOON),
            lambda: cluster.range("up", NOON, NOON, timedelta(seconds=1)),
            cluster.label_names,
        ]
        for question in questions:
            with pytest.raises(QueryError, match=reason) as told:
                await question()
            assert told.value.kind == "unavailable"


async def test_nobody_there_is_a_reason() -> None:
    async with serving(servers.silent) as port:
        pass
    settings = Settings(query_url=f"http://127.0.0.1:{port}")
    async with open_http(settings) as http:
        with pytest.raises(QueryError, match="the metrics cluster does not answer: "):
            await ClusterQuerier(Transport(http, settings), settings).instant("up", NOON)


async def test_a_certificate_is_checked_against_the_file_that_is_given() -> None:
    good = answering(b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}')
    async with querier(good, tls=True) as cluster:
        with pytest.raises(QueryError, match=r"certificate is not trusted: give tls\.ca_file"):
            await cluster.instant("1", NOON)
    async with querier(good, tls=True, ca=True) as cluster:
        assert (await cluster.instant("1", NOON)).points[0].value == 1


def test_a_file_without_certificates_is_told() -> None:
    settings = Settings.model_validate({"query_url": "https://127.0.0.1", "tls": {"ca_file": __file__}})
    with pytest.raises(OpsConsoleError, match=r"storage\.metrics\.tls\.ca_file: .* cannot be used"):
        open_http(settings)


async def test_headers_go_with_every_request() -> None:
    heads: list[bytes] = []

    async def talk(request: bytes, writer: object) -> None:
        heads.append(request.lower())
        body = b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)  # type: ignore[attr-defined]

    async with serving(talk) as port:
        headers = {"Authorization": "Bearer t0ken-text", "X-Scope-OrgID": "airflow"}
        assert await ask(Settings.model_validate({"query_url": f"http://127.0.0.1:{port}", "headers": headers})) == []
    assert [head.split()[1] for head in heads] == [b"/api/v1/query", b"/api/v1/write"]
    for head in heads:
        assert b"authorization: bearer t0ken-text" in head
        assert b"x-scope-orgid: airflow" in head
