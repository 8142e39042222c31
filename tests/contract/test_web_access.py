"""Who gets in, who does not, and what machines are told; on both databases."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from opsconsole.db import Database, accounts
from opsconsole.web.console import Console, SelfCheck
from opsconsole.web.passwords import digest
from opsconsole.web.settings import ApiKey, AuthSettings
from opsconsole.web.signing_in import ensure_admin
from tests.support import scene, web
from tests.support.clock import NOON, FakeClock

KEY = "a-key-for-machines"
AUTH = AuthSettings.model_validate(
    {"api_keys": [{"name": "ci", "key": KEY}, {"name": "boss", "key": KEY + "-2", "role": "admin"}]}
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def console(db: Database, clock: FakeClock) -> Console:
    await web.with_user(db)

    async def reload_problem(now: datetime) -> str:
        return "disk full" if now > NOON + timedelta(days=30) else ""

    checks = (SelfCheck("database", reload_problem),)
    return web.console(db, clock, list(scene.samples(NOON, timedelta(minutes=1))), auth=AUTH, checks=checks, reload=lambda: [])


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client(web.application(console), peer="203.0.113.9") as browser:
        yield browser


async def test_the_first_start_makes_an_admin_and_says_its_password_once(db: Database) -> None:
    password = await ensure_admin(db, FakeClock(), web.QUICK)
    assert password
    assert len(password) >= 16
    assert await ensure_admin(db, FakeClock(), web.QUICK) is None
    async with web.client(web.application(web.console(db, FakeClock()))) as browser:
        assert (await web.log_in(browser, password=password)).status_code == 303
    async with db.read() as session:
        stored = await accounts.credentials(session, "admin")
    assert stored
    assert stored[1].startswith("$argon2id$")
    assert password not in stored[1]


@pytest.mark.parametrize(
    "path", ["/", "/incidents/1", "/dashboards/scheduler/panels/0", "/events", "/rules", "/incidents/1/figure"]
)
async def test_nothing_is_shown_to_who_has_not_logged_in(browser: httpx.AsyncClient, path: str) -> None:
    page = await browser.get(path)
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login")
    assert (await browser.get(path, headers={"Accept": "application/json"})).status_code == 401
    part = await browser.get(path, headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-refresh"]) == (401, "true")


async def test_login_opens_a_session_that_slides_and_ends(browser: httpx.AsyncClient, db: Database, clock: FakeClock) -> None:
    answer = await web.log_in(browser, next="/rules")
    assert answer.headers["location"] == "/rules"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = browser.cookies["opsconsole_session"]
    async with db.read() as session:
        kept = (await session.execute(sa.select(accounts.sessions.c.token_hash))).scalars().all()
    assert kept == [digest(token)]
    clock.tick(6 * 86_400)
    assert (await browser.get("/rules")).status_code == 200
    clock.tick(6 * 86_400)
    assert (await browser.get("/rules")).status_code == 200, "each use moves the end on"
    clock.tick(7 * 86_400 + 1)
    assert (await browser.get("/rules")).status_code == 303


async def test_logout_ends_the_session_on_the_server(browser: httpx.AsyncClient) -> None:
    await web.log_in(browser)
    token = browser.cookies["opsconsole_session"]
    page = (await browser.get("/rules")).text
    assert (await browser.post("/logout", data={"csrf": web.csrf(page)})).status_code == 303
    browser.cookies.set("opsconsole_session", token)
    assert (await browser.get("/rules")).status_code == 303


async def test_an_unsafe_request_needs_the_token_and_our_own_origin(browser: httpx.AsyncClient) -> None:
    await web.log_in(browser)
    token = web.csrf((await browser.get("/rules")).text)
    assert (await browser.post("/logout")).status_code == 403
    assert (await browser.post("/logout", data={"csrf": "guess"})).status_code == 403
    elsewhere = {"Origin": "https://evil.example"}
    assert (await browser.post("/logout", data={"csrf": token}, headers=elsewhere)).status_code == 403
    assert (await browser.post("/logout", data={"csrf": token}, headers={"Origin": "null"})).status_code == 403
    assert (await browser.get("/rules")).status_code == 200, "still logged in"
    assert (await browser.post("/-/reload", headers={"X-CSRF-Token": token})).status_code == 202


async def test_a_login_from_another_site_is_refused(browser: httpx.AsyncClient) -> None:
    answer = await browser.post(
        "/login", data={"name": "admin", "password": web.PASSWORD}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_guessing_is_slowed_down(browser: httpx.AsyncClient, clock: FakeClock) -> None:
    for _ in range(5):
        assert (await web.log_in(browser, password="guess")).status_code == 401
    refused = await web.log_in(browser)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    clock.tick(301)
    assert (await web.log_in(browser)).status_code == 303


async def test_an_unknown_name_is_told_apart_by_nothing(browser: httpx.AsyncClient) -> None:
    known = await web.log_in(browser, password="guess")
    unknown = await web.log_in(browser, name="nobody", password="guess")
    assert known.status_code == unknown.status_code == 401
    assert known.text == unknown.text.replace("nobody", "admin")


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "javascript:x"]
)
async def test_login_leads_to_no_other_site(browser: httpx.AsyncClient, target: str) -> None:
    assert (await web.log_in(browser, next=target)).headers["location"] == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"X-Api-Key": KEY}, 200),
        ({"Authorization": "Basic Y2k6YS1rZXktZm9yLW1hY2hpbmVz"}, 200),
        ({"Authorization": "Basic ///"}, 401),
        ({"X-Api-Key": "wrong"}, 401),
    ],
)
async def test_metrics_want_an_api_key_from_elsewhere(browser: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    assert (await browser.get("/metrics", headers=headers)).status_code == status


async def test_metrics_are_open_to_this_machine_itself(console: Console) -> None:
    async with web.client(web.application(console)) as local:
        plain = await local.get("/metrics")
        assert plain.status_code == 200
        assert plain.headers["content-type"].startswith("text/plain")
        assert "opsconsole_build_info" in plain.text
        asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
        assert (await local.get("/metrics", headers=asked)).text.endswith("# EOF\n")
        assert (await local.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 401
        assert (await local.get("/metrics", headers={"Host": "rebound.example"})).status_code == 401


async def test_an_api_key_reads_pages_and_its_role_bounds_it(browser: httpx.AsyncClient) -> None:
    viewer, admin = {"X-Api-Key": KEY}, {"X-Api-Key": KEY + "-2"}
    assert (await browser.get("/rules", headers=viewer)).status_code == 200
    assert (await browser.post("/-/reload", headers=viewer)).status_code == 403
    assert (await browser.post("/-/reload", headers=admin)).status_code == 202
    assert (await browser.post("/-/reload")).status_code in (303, 401)


async def test_health_is_200_only_when_all_is_known_and_fine(console: Console) -> None:
    app = web.application(console)
    async with web.client(app, peer="203.0.113.9") as stranger:
        assert (await stranger.get("/health/ml-prod")).status_code == 401
        assert (await stranger.get(f"/health/ml-prod?key={KEY}")).status_code == 200
        assert (await stranger.get("/health/ml-prod?key=wrong")).status_code == 401
    async with web.client(app) as local:
        assert (await local.get("/health/ml-prod")).text == "ok\n"
        down = await local.get("/health/prod-eu")
        assert down.status_code == 503
        assert "scheduler: down" in down.text
        silent = await local.get("/health/staging")
        assert silent.status_code == 503
        assert "scheduler: unknown" in silent.text
        assert (await local.get("/health/elsewhere")).status_code == 404
        assert (await local.head("/health/ml-prod")).status_code == 200


async def test_health_says_why_an_airflow_cannot_be_read(console: Console) -> None:
    error = "login refused: check auth.username and auth.password"
    refused = replace(console, standings=lambda name: scene.standings(NOON, error) if name == "staging" else ())
    async with web.client(web.application(refused)) as local:
        answer = await local.get("/health/staging")
        assert answer.status_code == 503
        said = answer.text.splitlines()
        assert any(line.startswith("API: down (login refused, data ") for line in said)
        assert any(line.startswith("scheduler: unknown (login refused, ") for line in said)
        assert said[-1] == f"cannot be read: {error}"
        assert (await local.get("/health/ml-prod")).text == "ok\n"


async def test_readiness_names_what_is_wrong(browser: httpx.AsyncClient, clock: FakeClock) -> None:
    assert (await browser.get("/readyz")).text == "ok\n"
    clock.tick(31 * 86_400)
    broken = await browser.get("/readyz?verbose", headers={"X-Api-Key": KEY})
    assert broken.status_code == 503
    assert "[-] database disk full" in broken.text
    assert (await browser.get("/livez")).status_code == 200


async def test_strangers_are_told_which_check_failed_and_not_why(
    browser: httpx.AsyncClient, console: Console, clock: FakeClock
) -> None:
    clock.tick(31 * 86_400)
    async with web.client(web.application(console), peer="198.51.100.7") as far:
        for path in ("/readyz?verbose", "/prometheus/-/ready?verbose"):
            told = await far.get(path)
            assert told.status_code == 503
            assert "[-] database failed\n" in told.text
            assert "disk full" not in told.text
            assert "disk full" not in (await far.get(path, headers={"X-Api-Key": "guessed"})).text
            assert "disk full" in (await far.get(path, headers={"X-Api-Key": KEY})).text
        await web.log_in(far)
        assert "disk full" in (await far.get("/readyz?verbose")).text


async def test_mode_none_opens_everything_to_our_own_names_only(db: Database) -> None:
    console = web.console(db, FakeClock(), auth=AuthSettings(mode="none"))
    async with web.client(web.application(console)) as local:
        assert (await local.get("/rules")).status_code == 200
        assert (await local.get("/rules", headers={"Host": "rebound.example"})).status_code == 303


async def test_every_answer_is_armoured(browser: httpx.AsyncClient) -> None:
    for path in ("/login", "/nope", "/livez", "/"):
        headers = (await browser.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


async def test_what_nobody_foresaw_is_a_page_with_an_id_and_no_traceback(db: Database) -> None:
    class Exploding:
        async def instant(self, expr: str, at: object) -> None:
            raise RuntimeError("secret detail")

    console = web.console(db, FakeClock(), auth=AuthSettings(mode="none"), querier=Exploding())
    async with web.client(web.application(console)) as browser:
        answer = await browser.get("/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "log has the details under" in answer.text
    assert answer.headers["content-security-policy"]


async def test_static_files_are_kept_for_ever_under_their_hash(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/login")).text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    kept = await browser.get(address)
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-encoding"] == "gzip"
    stale = await browser.get("/static/0123/console.css")
    assert stale.headers["cache-control"] == "no-cache"
    assert (await browser.get(address, headers={"If-None-Match": kept.headers["etag"]})).status_code == 304
    assert (await browser.get("/static/x/../../settings.py")).status_code == 404


def test_an_api_key_is_never_shown() -> None:
    assert KEY not in repr(ApiKey.model_validate({"name": "ci", "key": KEY}))
    assert KEY not in str(AUTH)
