from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsconsole.secrets import redacted
from opsconsole.settings import Duration, Secret, Settings, Size, format_duration, parse_duration, parse_size


class Mail(Settings):
    user: str = ""
    password: Secret | None = None
    wait: Duration = timedelta(seconds=5)
    limit: Size = 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("1h30m", 5400), ("30d", 2_592_000), ("500ms", 0.5), ("0", 0), ("1w", 604_800)]
)
def test_durations_are_read_as_prometheus_reads_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1m1h", "-5s", "1.5h", "five minutes"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="15s"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_survives_writing_and_reading(millis: int) -> None:
    duration = timedelta(milliseconds=millis)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(("text", "size"), [("100GiB", 100 * 2**30), ("512 MB", 512_000_000), ("7", 7), ("1.5KiB", 1536)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_bare_number_is_no_duration() -> None:
    with pytest.raises(ValidationError, match="not a duration"):
        Mail.model_validate({"wait": 15})


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="passwort"):
        Mail.model_validate({"passwort": "x"})


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("from-the-file\n")
    mail = Mail.model_validate({"password_file": str(tmp_path / "pw")})
    assert mail.password is not None
    assert mail.password.get_secret_value() == "from-the-file"


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"password_file: .*nowhere cannot be read"):
        Mail.model_validate({"password_file": str(tmp_path / "nowhere")})


def test_a_secret_and_its_file_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Mail.model_validate({"password": "x", "password_file": "y"})


def test_a_secret_never_shows() -> None:
    mail = Mail.model_validate({"password": "correct-horse-battery"})
    assert "correct-horse" not in repr(mail)
    assert "correct-horse" not in redacted("login failed with correct-horse-battery")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET http://admin:pa55word@host/x", "pa55word"),
        ("redis://:pa55word@host/0", "pa55word"),
        ("https://x/health?key=pa55word&y=1", "pa55word"),
        ("Authorization: Bearer eyJhbGciOi.J9.x", "eyJhbGciOi"),
        ("token xoxb-123-456-abc", "xoxb-123"),
        ("https://hooks.slack.com/services/T000/B000/XXXX", "B000"),
    ],
)
def test_credentials_in_texts_are_masked(text: str, hidden: str) -> None:
    assert hidden not in redacted(text)


def test_what_is_no_credential_stays_as_it_is() -> None:
    text = "http://host:8080/dags?dag_id=orders&state=failed says basic things"
    assert redacted(text) == text


@pytest.mark.parametrize("text", ["101y", "99999999999999999999y", "9" * 5000 + "d"])
def test_a_duration_that_no_calendar_holds_is_refused(text: str) -> None:
    class Some(Settings):
        wait: Duration

    with pytest.raises(ValidationError, match="longer than"):
        Some.model_validate({"wait": text})
    assert Some.model_validate({"wait": "100y"}).wait == timedelta(days=36_500)


@pytest.mark.parametrize("text", ["9" * 400, "9" * 400 + "GiB", "9" * 308 + "TiB"])
def test_a_size_that_no_disk_holds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="larger than any size"):
        parse_size(text)
