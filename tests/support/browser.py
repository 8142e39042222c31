"""Debian's Chromium, headless."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 90_000
"""Milliseconds that a page may take on a busy machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=QUIET, timeout=PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()


def logged_in(browser: Browser, url: str, password: str) -> Page:
    """A page on which the admin has logged in."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}/login")
    page.fill("input[name=name], input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda at: not at.startswith(f"{url}/login"))
    return page
