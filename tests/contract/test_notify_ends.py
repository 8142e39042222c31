"""The other far ends: Slack's webhook, Apprise, and the demo's inbox page."""

import socket

import httpx
import pytest

from opsconsole.clock import SystemClock
from opsconsole.demo.inbox import FarEnds
from opsconsole.demo.mrkdwn import as_html
from opsconsole.notify.settings import Receiver
from opsconsole.notify.testing import Tried, send_test
from tests.support.slack import slack_at
from tests.support.webhook import hook_at


async def tried(**ways: object) -> list[Tried]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        receiver = Receiver.model_validate({"name": "r", **ways})
        return await send_test(receiver, http, SystemClock(), "http://console.test")


async def test_slacks_webhook_posts_a_message_of_its_own() -> None:
    async with slack_at(SystemClock()) as (slack, url):
        (one,) = await tried(slack={"webhook_url": f"{url}/services/T/B/x"})
        assert (one.delivered, one.answer) == (True, "ok")
        assert "[TEST]" in slack.shown[0].text


async def test_apprise_delivers_one_address_a_call_and_says_what_failed() -> None:
    async with hook_at() as hook:
        address = hook.url.replace("http://", "json://") + "?cto=60&rto=60"
        with socket.socket() as deaf:  # has a port and does not listen
            deaf.bind(("127.0.0.1", 0))
            nobody = f"json://127.0.0.1:{deaf.getsockname()[1]}/"
            good, bad, unknown = await tried(apprise=[address, nobody, "nosuchthing://x"])
    assert (good.delivered, good.answer) == (True, "Apprise: success")
    assert (bad.delivered, bad.answer) == (False, "Apprise could not deliver (failure)")
    assert (unknown.delivered, unknown.answer) == (False, "Apprise does not understand the address")
    assert hook.bodies[0]["title"] == "[TEST] opsconsole · test notice"


async def test_the_inbox_shows_what_slack_and_the_mail_server_received() -> None:
    async with FarEnds() as ends, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        slack = {"token": ends.slack_token, "channel": "#data-oncall", "api_url": ends.slack_url}
        email = {"to": "oncall@example.com", "from": "ops@example.com", "smarthost": ends.smarthost}
        assert all(one.delivered for one in await tried(slack=slack, email=email))
        page = await http.get(ends.url)
        assert "#data-oncall" in page.text
        assert "[TEST] opsconsole · test notice" in page.text
        assert "script-src 'self';" in page.headers["content-security-policy"]
        mail = await http.get(ends.url.replace("/inbox", "/mail/0"))
        assert mail.headers["content-security-policy"].startswith("sandbox")
        assert (await http.get(ends.url.replace("/inbox", "/inbox.css"))).status_code == 200


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*b* `c` &lt;x&gt;", "<b>b</b> <code>c</code> &lt;x&gt;"),
        ("<http://a/?x=1&amp;y|L&amp;M>", '<a href="http://a/?x=1&amp;y" rel="noreferrer">L&amp;M</a>'),
        ("<script>", "&lt;script&gt;"),
        ("<javascript:x|y>", "&lt;javascript:x|y&gt;"),
        ("a\nb ```c\nd```", "a<br>b <pre>c\nd</pre>"),
    ],
)
def test_slacks_markup_becomes_safe_html(text: str, html: str) -> None:
    assert str(as_html(text)) == html
