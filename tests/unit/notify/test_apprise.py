"""What Apprise's services are told beyond the text."""

from dataclasses import replace
from typing import Any

import apprise

from opsconsole.clock import SystemClock
from opsconsole.notify.apprise import fitted, incident_key
from opsconsole.notify.message import compose
from opsconsole.notify.sending import Letter
from opsconsole.notify.testing import sample

NOTE = replace(sample("oncall", SystemClock()), incident_id=7)
LETTER = Letter(NOTE, compose(NOTE, "http://console.test"))
KEY = "0123456789abcdef0123456789abcdef"


def plugin(url: str) -> Any:
    made: Any = apprise.Apprise.instantiate(url)
    fitted(made, LETTER)
    return made


def test_pagerduty_resolves_what_it_opened() -> None:
    made = plugin(f"pagerduty://{KEY}@{KEY}")
    assert (made.action, made.dedup) == ("map", incident_key(LETTER))


def test_an_address_that_says_how_is_left_alone() -> None:
    assert plugin(f"pagerduty://{KEY}@{KEY}?action=resolve").action == "resolve"
    assert plugin(f"pagerduty://{KEY}@{KEY}?dedup=mine").dedup == "mine"
    assert plugin("opsgenie://apikey1234567890?alias=mine").alias == "mine"
    assert plugin("json://a.test?overflow=split").overflow_mode == "split"


def test_no_service_is_sent_more_than_it_takes() -> None:
    assert plugin("json://a.test").overflow_mode == "truncate"


def test_the_key_is_the_incidents_and_not_the_notifications() -> None:
    assert incident_key(LETTER) == incident_key(replace(LETTER, notification=replace(NOTE, key="another")))
    assert incident_key(LETTER) != incident_key(replace(LETTER, notification=replace(NOTE, incident_id=8)))
    storms = [replace(NOTE, incident_id=0, group_key=f"storm/{n}") for n in (1, 2)]
    assert len({incident_key(replace(LETTER, notification=one)) for one in storms}) == 2
