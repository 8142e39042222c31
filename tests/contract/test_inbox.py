"""The demo's inbox in a real browser: what arrives shows by itself, and what a reader has unfolded stays so."""

from email.message import EmailMessage

import aiosmtplib
from playwright.async_api import async_playwright, expect

from opsconsole.demo.inbox import FarEnds
from tests.support.browser import PATIENCE, QUIET

expect.set_options(timeout=PATIENCE)


async def send(ends: FarEnds, subject: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "opsconsole@example.com", "oncall@example.com", subject
    mail.set_content(f"text of {subject}")
    mail.add_alternative(f"<p>page of {subject}</p>", subtype="html")
    host, _, port = ends.smarthost.partition(":")
    await aiosmtplib.send(mail, hostname=host, port=int(port), timeout=PATIENCE / 1000)


async def test_what_arrives_shows_by_itself_and_leaves_what_is_unfolded_alone() -> None:
    complaints: list[str] = []
    async with FarEnds() as ends, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET, timeout=PATIENCE)
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(ends.url)
        await expect(page.locator("article")).to_have_count(0)
        await send(ends, "first")
        await expect(page.locator("article")).to_have_count(1)
        await expect(page.get_by_text("Nothing yet")).to_have_count(0)
        await page.get_by_text("Text part").click()
        await send(ends, "second")
        await expect(page.locator("article h2")).to_have_text(["second", "first"])
        await expect(page.get_by_text("text of first")).to_be_visible()
        await expect(page.get_by_text("text of second")).to_be_hidden()
        await expect(page.frame_locator("iframe").first.get_by_text("page of second")).to_be_visible()
        await browser.close()
    assert complaints == []
