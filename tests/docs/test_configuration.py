"""The configuration reference says every setting, its kind and its default; the schema that editors use is the current one."""

import re
from typing import Any

import pytest

from tests.support.schema import PUBLISHED, Setting, documented, published, settings

DOCUMENTED = {path: (kind, default, meaning) for path, kind, default, meaning in documented()}
SECTIONS = ["server", "storage", "auth", "listeners", "deployments", "heartbeats", "slas", "rules", "dashboards", "alerting"]
WORDS = {
    "string": "text",
    "integer": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "secret": "secret",
    "duration": "duration",
}


def kind(setting: Setting) -> str:
    """In the words of the reference."""
    kinds = setting.kinds - ({"string"} if "duration" in setting.kinds else set())
    return " or ".join(sorted((WORDS[one] for one in kinds), key=lambda word: (word == "list", word)))


def written(default: Any) -> str:
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert sorted(DOCUMENTED) == sorted(setting.path for setting in settings())


def test_no_setting_is_documented_twice() -> None:
    paths = [path for path, *_ in documented()]
    assert sorted(paths) == sorted(set(paths))


def test_the_sections_stand_in_the_order_of_the_file() -> None:
    order = [re.split(r"[.\[]", path)[0] for path, *_ in documented()]
    assert list(dict.fromkeys(order)) == SECTIONS


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.path)
def test_a_setting_has_the_kind_and_the_default_that_the_reference_says(setting: Setting) -> None:
    said, default, meaning = DOCUMENTED[setting.path]
    assert said == kind(setting)
    assert (default == "required") == setting.required
    assert meaning
    if setting.default is not None:
        assert default == written(setting.default)


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text() == published(), "write it anew: python -m tests.support.schema"


def test_the_schema_describes_every_setting_and_lets_secrets_be_files() -> None:
    text = published()
    assert text.count('"description"') > len(settings())
    assert '"password_file"' in text
    assert "headers_file" not in text
