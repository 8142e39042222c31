"""What happens on every generation of Airflow: broken, told, mended, taken back. The test modules tell them."""

import re

from playwright.sync_api import Browser, Locator, Page, expect

from opsconsole.demo.slack_standin import SlackMessage
from tests.e2e.conftest import Watching
from tests.support.airflow import PASSWORD, AirflowLab, eventually
from tests.support.browser import logged_in
from tests.support.console import ConsoleProcess
from tests.support.far_ends import Recording


def settled(console: ConsoleProcess) -> None:
    """Wait until the console sees everything well: a fault before that would not be its first news."""
    eventually("prod is ok", lambda: console.get("/health/prod").status_code == 200, within=60)


def message(far_ends: Recording, *words: str, within: float = 60) -> SlackMessage:
    """The one Slack message with all the words, in its newest version."""

    def found() -> list[SlackMessage]:
        return [one for one in far_ends.messages if all(word in f"{one.text} {one.blocks}" for word in words)]

    hits = eventually(f"a Slack message with {words}", found, within=within)
    assert len(hits) == 1, [one.text for one in hits]
    return hits[0]


def mail_subjects(far_ends: Recording) -> list[str]:
    return [mail.subject for mail in far_ends.mails]


def scheduler_cell(page: Page) -> Locator:
    return page.locator("tr", has_text="prod").locator("td[data-heading=Scheduler] .cell")


def a_frozen_scheduler(airflow: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser) -> None:
    console = watching(airflow)
    settled(console)
    page = logged_in(browser, console.url, console.password)
    expect(scheduler_cell(page)).to_have_class(re.compile(r"\bok\b"), timeout=20_000)

    airflow.freeze("scheduler")
    told = message(far_ends, "scheduler down")
    first_version, ts = told.text, told.ts
    eventually("an e-mail", lambda: any("scheduler down" in subject for subject in mail_subjects(far_ends)))
    expect(scheduler_cell(page)).to_have_class(re.compile(r"\bdown\b"), timeout=20_000)  # live, without a reload
    assert console.get("/health/prod").status_code == 503

    airflow.thaw("scheduler")
    eventually("the same message says resolved", lambda: "resolved" in message(far_ends, "scheduler down").text.lower())
    resolved = message(far_ends, "scheduler down")
    assert resolved.ts == ts
    assert first_version in resolved.versions
    assert re.search(r"Resolved after \d+ (s|min)", resolved.text), "the downtime is told"
    mails = [mail for mail in far_ends.mails if "scheduler down" in mail.subject]
    assert len(mails) == 2
    assert mails[0].message["Message-ID"] in str(mails[1].message["References"])
    expect(scheduler_cell(page)).to_have_class(re.compile(r"\bok\b"), timeout=30_000)
    page.close()


def a_paused_canary(airflow: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    check = {"slug": "canary", "name": "Canary", "deployment": "prod", "period": "20s", "grace": "10s", "tags": ["canary"]}
    console = watching(airflow, canary=check)
    settled(console)
    airflow.unpause("opsconsole_canary")
    airflow.trigger("opsconsole_canary")
    eventually("the canary pinged", lambda: "up" in console.get("/heartbeats").text, within=60)
    airflow.unpause("opsconsole_canary", paused=True)
    try:
        message(far_ends, "Canary", "silent", within=120)
    finally:
        airflow.unpause("opsconsole_canary")
    airflow.trigger("opsconsole_canary")
    eventually("resolved", lambda: "resolved" in message(far_ends, "Canary").text.lower(), within=90)


def a_failed_task(airflow: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser) -> None:
    console = watching(airflow)
    settled(console)
    run_id = airflow.trigger("e2e_fail")
    told = message(far_ends, "e2e_fail", within=120)
    content = f"{told.text} {told.blocks}"
    for words in ("load", run_id, "2 of 2", "KeyError: 'region'", "sales-data", "manual"):
        assert words in content, f"{words} is missing in {content}"
    link = re.search(r"<([^<|]+)\|Log>", content)
    assert link, content
    page = browser.new_page()
    page.goto(link[1].replace("&amp;", "&"))
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("KeyError").first).to_be_visible(timeout=30_000)
    page.close()
