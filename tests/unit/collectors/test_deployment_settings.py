"""What a deployment's settings accept."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from opsconsole.collectors.settings import Deployment


def deployment(**keys: object) -> Deployment:
    return Deployment.model_validate({"name": "prod", "url": "http://127.0.0.1:8080", **keys})


def test_a_url_loses_its_last_slash_and_keeps_its_prefix() -> None:
    assert deployment(url="https://host/airflow/").url == "https://host/airflow"


@pytest.mark.parametrize(
    "keys",
    [
        {"url": "host:8080"},
        {"url": "ftp://host"},
        {"url": "http://ann:secret@host"},
        {"url": "http://host/?a=b"},
        {"url": "http://host:x"},
        {"name": ""},
        {"name": "a/b"},
        {"interval": "10ms"},
        {"auth": {"username": "ann"}},
        {"auth": {"token": "t", "headers": {"a": "b"}}},
        {"auth": {"token_command": "  "}},
        {"auth": {"token_command": "echo 'open"}},
        {"components": {"scheduler": {"expected": -1}}},
        {"components": {"scheduler": {"health_url": "127.0.0.1:8974"}}},
        {"components": {"webserver": {"expected": 1}}},
        {"statsd": {"listen": "8126"}},
        {"colour": "green"},
    ],
)
def test_what_cannot_work_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        deployment(**keys)


def test_secrets_come_from_files_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter22\n")
    auth = {"username": "ann", "password_file": str(tmp_path / "password")}
    told = deployment(auth=auth)
    assert told.auth.password is not None
    assert told.auth.password.get_secret_value() == "hunter22"
    assert "hunter22" not in repr(told)


def test_expected_replicas_are_those_that_are_given() -> None:
    told = deployment(components={"scheduler": {"expected": 2}, "triggerer": {}})
    assert told.components.expected() == {"scheduler": 2}
