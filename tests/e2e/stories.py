"""What happens on every generation of Airflow: broken, told, mended, taken back. The test modules tell them.

A machine that is busy with other things may make Airflow stumble before or after the fault that a story is about. So a
story begins when nothing is wrong any more, and holds on to the one message that its own fault made.
"""

import re

from playwright.sync_api import Browser, Locator, Page, expect

from opsconsole.demo.mail_standin import Mail
from opsconsole.demo.slack_standin import SlackMessage
from tests.e2e.conftest import Watching
from tests.support.airflow import PASSWORD, AirflowLab, eventually
from tests.support.browser import PATIENCE, logged_in
from tests.support.console import ConsoleProcess
from tests.support.far_ends import Recording


def settled(console: ConsoleProcess, far_ends: Recording) -> None:
    """Wait until the console sees everything well and owes nobody a word: what comes next is news."""

    def well() -> bool:
        still_wrong = console.rows("select 1 from incidents where closed_at is null")
        still_owed = console.rows("select 1 from outbox where state = 'owed'")
        return console.get("/health/prod").status_code == 200 and not still_wrong and not still_owed

    eventually("prod is ok, with no incident open", well, within=180)
    far_ends.forget()


def about(far_ends: Recording, *words: str) -> list[SlackMessage]:
    """The Slack messages that have all the words in their newest version."""
    return [one for one in far_ends.messages if all(word in f"{one.text} {one.blocks}" for word in words)]


def message(far_ends: Recording, *words: str, within: float = 120) -> SlackMessage:
    """The one Slack message with all the words; it changes as it is edited."""
    hits = eventually(f"a Slack message with {words}", lambda: about(far_ends, *words), within=within)
    assert len(hits) == 1, [one.text for one in hits]
    found: SlackMessage = hits[0]
    return found


def is_resolved(told: SlackMessage) -> bool:
    return "resolved" in told.text.lower()


def taken_back(far_ends: Recording, told: SlackMessage, *words: str, within: float = 120) -> None:
    """Wait until the very message says that it is over, and no message of its own does."""
    eventually(f"the message about {words} says resolved", lambda: is_resolved(told), within=within)
    others = [one for one in about(far_ends, *words) if one is not told]
    assert not any("resolved" in (one.versions or [one.text])[0].lower() for one in others), [one.text for one in others]


def letters(far_ends: Recording, words: str) -> list[Mail]:
    """The first e-mail about it and those that answer it."""
    mails = [mail for mail in far_ends.mails if words in mail.subject]
    return [mail for mail in mails if mail is mails[0] or mails[0].message["Message-ID"] in str(mail.message["References"])]


def scheduler_cell(page: Page) -> Locator:
    return page.locator("tr", has_text="prod").locator("td[data-heading=Scheduler] .cell")


def a_frozen_scheduler(airflow: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser) -> None:
    console = watching(airflow)
    settled(console, far_ends)
    page = logged_in(browser, console.url, console.password)
    expect(scheduler_cell(page)).to_have_class(re.compile(r"\bok\b"), timeout=PATIENCE)
    page.evaluate("window.loadedOnce = true")

    airflow.freeze("scheduler")
    told = message(far_ends, "scheduler down")
    first_version = told.text
    eventually("an e-mail", lambda: letters(far_ends, "scheduler down"))
    expect(scheduler_cell(page)).to_have_class(re.compile(r"\bdown\b"), timeout=PATIENCE)
    assert console.get("/health/prod").status_code == 503
    assert about(far_ends, "scheduler down") == [told], "one fault, one message"

    airflow.thaw("scheduler")
    taken_back(far_ends, told, "scheduler down")
    assert first_version in told.versions
    assert re.search(r"Resolved after \d+ (s|min)", told.text), "the downtime is told"
    eventually("an e-mail that answers the first", lambda: len(letters(far_ends, "scheduler down")) == 2)
    expect(scheduler_cell(page)).to_have_class(re.compile(r"\bok\b"), timeout=PATIENCE)
    assert page.evaluate("window.loadedOnce"), "all of it live, without a reload"
    page.close()


def a_paused_canary(airflow: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    """The canary runs every minute, so that only one that is paused is silent for longer than its period and grace."""
    check = {"slug": "canary", "name": "Canary", "deployment": "prod", "period": "70s", "grace": "30s", "tags": ["canary"]}
    console = watching(airflow, canary=check)
    airflow.unpause("opsconsole_canary")
    airflow.trigger("opsconsole_canary")
    eventually("the canary pinged", lambda: console.rows("select 1 from checks where slug = 'canary' and pings > 0"), within=180)
    settled(console, far_ends)
    airflow.unpause("opsconsole_canary", paused=True)
    try:
        told = message(far_ends, "Canary", "silent", within=200)
    finally:
        airflow.unpause("opsconsole_canary")
    airflow.trigger("opsconsole_canary")
    taken_back(far_ends, told, "Canary", "silent", within=180)


def a_failed_task(airflow: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser) -> None:
    console = watching(airflow)
    settled(console, far_ends)
    run_id = airflow.trigger("e2e_fail")
    words = "e2e_fail", "load", run_id, "2 of 2", "KeyError: 'region'", "sales-data", "manual"
    told = message(far_ends, *words, within=200)
    assert about(far_ends, "e2e_fail") == [told], "one failure, one message"
    link = re.search(r"<([^<|]+)\|Log>", f"{told.text} {told.blocks}")
    assert link, told
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(link[1].replace("&amp;", "&"))
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("KeyError").first).to_be_visible(timeout=PATIENCE)
    page.close()
