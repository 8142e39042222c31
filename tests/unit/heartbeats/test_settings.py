from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from opsconsole.heartbeats.settings import Settings


def test_the_contract_s_example_is_read() -> None:
    settings = Settings.model_validate(
        {
            "ping_key": "a-secret-key",
            "checks": [
                {
                    "slug": "prod-canary",
                    "name": "Canary",
                    "deployment": "prod",
                    "period": "5m",
                    "grace": "2m",
                    "tags": ["canary"],
                },
                {"slug": "nightly-export", "schedule": "0 5 * * *", "timezone": "Europe/Paris", "grace": "30m"},
            ],
        }
    )
    assert [check.period for check in settings.checks] == [timedelta(minutes=5), None]
    assert "a-secret-key" not in repr(settings)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"slug": "Has Space", "period": "5m"}, "pattern"),
        ({"slug": "a"}, "period or schedule"),
        ({"slug": "a", "period": "5m", "schedule": "* * * * *"}, "period or schedule"),
        ({"slug": "a", "schedule": "0 25 * * *"}, "not a cron expression"),
        ({"slug": "a", "schedule": "0 0 30 2 *"}, "not a cron expression"),
        ({"slug": "a", "schedule": "0 5 * * *", "timezone": "Europe/Nowhere"}, "not a time zone"),
        ({"slug": "a", "schedule": "0 5 * * *", "timezone": "../etc/passwd"}, "not a time zone"),
        ({"slug": "a", "period": "0"}, "more than 0"),
        ({"slug": "a", "period": "5m", "methods": "POST"}, "Extra inputs"),
    ],
)
def test_a_check_that_cannot_be_kept_is_refused(check: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate({"checks": [check]})


def test_a_slug_is_used_once() -> None:
    with pytest.raises(ValidationError, match="'a' is used twice"):
        Settings.model_validate({"checks": [{"slug": "a", "period": "5m"}, {"slug": "a", "period": "6m"}]})


def test_an_empty_ping_key_is_no_key() -> None:
    assert Settings.model_validate({"ping_key": ""}).ping_key is None
