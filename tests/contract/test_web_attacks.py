"""What strangers try; on both databases."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from opsconsole.db import Database
from opsconsole.web.console import Console
from opsconsole.web.forms import LARGEST
from opsconsole.web.settings import ApiKey, AuthSettings, ServerSettings
from tests.support import scene, web
from tests.support.clock import FakeClock

ADMIN = {"X-Api-Key": "a-key-for-machines"}
AUTH = AuthSettings(api_keys=(ApiKey.model_validate({"name": "ci", "key": ADMIN["X-Api-Key"], "role": "admin"}),))


@pytest.fixture
async def console(db: Database) -> Console:
    await web.with_user(db)
    return web.console(db, FakeClock(), auth=AUTH)


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client(web.application(console), peer="203.0.113.9") as browser:
        yield browser


async def test_guesses_sent_at_once_are_counted_like_those_sent_one_by_one(browser: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(web.log_in(browser, password=f"guess {n}") for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15
    assert (await web.log_in(browser)).status_code == 429


async def test_a_right_password_is_no_attempt_against_its_address(browser: httpx.AsyncClient) -> None:
    for _ in range(60):
        assert (await web.log_in(browser)).status_code == 303


async def test_behind_a_trusted_proxy_a_stranger_locks_out_only_himself(db: Database) -> None:
    await web.with_user(db)
    server = ServerSettings(trusted_proxies=("127.0.0.1",))
    async with web.client(web.application(web.console(db, FakeClock(), server=server))) as proxy:
        for lie in range(5):
            proxy.headers["X-Forwarded-For"] = f"192.0.2.{lie}, 203.0.113.9"
            assert (await web.log_in(proxy, password="guess")).status_code == 401
        assert (await web.log_in(proxy)).status_code == 429
        proxy.headers["X-Forwarded-For"] = "198.51.100.7"
        assert (await web.log_in(proxy)).status_code == 303


async def test_who_is_not_trusted_cannot_escape_by_a_header(browser: httpx.AsyncClient) -> None:
    for lie in range(5):
        browser.headers["X-Forwarded-For"] = f"192.0.2.{lie}"
        assert (await web.log_in(browser, password="guess")).status_code == 401
    browser.headers["X-Forwarded-For"] = "192.0.2.99"
    assert (await web.log_in(browser)).status_code == 429


async def test_a_form_is_read_up_to_a_bound_only(browser: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 4096
            yield b"password=" + b"x" * 4087

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.post("/login", content=endless(), headers=form)).status_code == 413
    assert sent <= 2 * LARGEST
    many = "&".join(f"field{n}=" for n in range(60))
    assert (await browser.post("/login", content=many, headers=form)).status_code == 400


async def test_a_name_that_no_user_has_is_just_wrong(browser: httpx.AsyncClient) -> None:
    for name in ["\0", "admin\0", "\x1b[2J", "' or 1=1 --", "\U0001f600" * 200, "x" * 10_000]:
        assert (await web.log_in(browser, name=name)).status_code == 401, name


async def test_a_form_that_is_none_is_a_wrong_login(console: Console) -> None:
    bodies = (b"name=%ff%fe&password=%00", b"name=%ed%a0%80&password=x", b"\xff\xfe\x00", b"name", b"&&&=", b"name=a&name=b")
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", ""):
        for nth, body in enumerate(bodies):
            async with web.client(web.application(console), peer=f"203.0.113.{nth}") as browser:
                assert (await browser.post("/login", content=body, headers={"Content-Type": kind})).status_code == 401, body


async def test_an_origin_that_is_not_ours_signs_nobody_in(browser: httpx.AsyncClient) -> None:
    login = {"name": "admin", "password": web.PASSWORD}
    for origin in (b"http://[", b"null", b"", b"//", b"http://127.0.0.1:8600.evil.example", b"\xff"):
        assert (await browser.post("/login", data=login, headers={"Origin": origin})).status_code == 403, origin


async def test_a_host_that_is_none_gets_an_answer_and_nothing_else(console: Console) -> None:
    async with web.client(web.application(console)) as local:
        for host in (b"[", b"[::1", b"]", b"", b"a b", b"\xff", b"127.0.0.1@evil.example"):
            assert (await local.get("/metrics", headers={"Host": host})).status_code == 401, host
            for path in ("/", "/login", "/livez", "/ping/a/b", "/nope"):
                answer = await local.get(path, headers={"Host": host})
                assert answer.status_code in (200, 303, 404), (host, path)


async def test_what_a_proxy_passes_on_is_never_this_machine(console: Console) -> None:
    async with web.client(web.application(console)) as local:
        assert (await local.get("/metrics")).status_code == 200
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"):
            assert (await local.get("/metrics", headers={name: "127.0.0.1"})).status_code == 401, name


async def test_a_proxy_that_hides_whom_it_asks_for_is_told_by_the_public_name(db: Database) -> None:
    server = ServerSettings(public_url="https://ops.example.com/airflow")
    async with web.client(web.application(web.console(db, FakeClock(), server=server))) as proxy:
        assert (await proxy.get("/metrics", headers={"Host": "ops.example.com"})).status_code == 401
        assert (await proxy.get("/health/prod-eu", headers={"Host": "ops.example.com"})).status_code == 401


NOWHERE = (
    "/incidents/99999999999999999999",
    "/incidents/-1",
    "/incidents/" + "9" * 5000,
    "/incidents/99999999999999999999/figure",
    "/incidents?before=99999999999999999999",
    "/incidents?before=x",
    "/dashboards/scheduler/panels/99999999999999999999",
    "/dashboards/%00",
    "/deployments/%00",
    "/deployments/..%2f..%2fetc",
    "/docs/runbooks/..%2f..%2fopsconsole",
    "/docs/runbooks/%2e%2e%2f%2e%2e%2fREADME.md",
    "/static/x/..%2fapp.py",
    "/health/%00",
    "/%2fevil.example/",
    "/%ff",
)


async def test_an_address_that_leads_nowhere_is_not_found(browser: httpx.AsyncClient) -> None:
    for path in NOWHERE:
        assert (await browser.get(path, headers=ADMIN)).status_code == 404, path


async def test_without_a_login_a_strange_path_leads_to_no_other_site(browser: httpx.AsyncClient) -> None:
    for path in ("/%2fevil.example/", "/rules?next=//evil.example", "/%5cevil.example"):
        answer = await browser.get(path)
        assert "evil.example" not in answer.headers.get("location", "").partition("next=")[0]


async def test_a_reload_that_fails_shows_no_password(db: Database) -> None:
    problem = "opsconsole.yaml:3: server.public_url: 'http://me:hunter2hunter2@example.com' is not an address"
    console = web.console(db, FakeClock(), auth=AUTH, reload=lambda: [problem])
    async with web.client(web.application(console)) as browser:
        answer = await browser.post("/-/reload", headers=ADMIN)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert "opsconsole.yaml:3" in answer.text


async def test_a_database_that_is_away_is_said_in_a_line_and_pings_and_pages_ask_to_come_again(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.play(db, scene_now := FakeClock().now())
    console = web.console(db, FakeClock(), list(scene.samples(scene_now, scene.MINUTE)), auth=AUTH)
    lost = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    async with web.client(web.application(web.console(lost, FakeClock(), auth=AUTH))) as browser:
        for path in ("/", "/incidents", "/slas", "/rules"):
            answer = await browser.get(path, headers=ADMIN)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert "The database does not answer" in answer.text
        assert (await web.log_in(browser)).status_code == 503
    await lost.close()
    assert not [record for record in caplog.records if record.exc_info]
    async with web.client(web.application(console)) as browser:
        assert (await browser.get("/", headers=ADMIN)).status_code == 200
