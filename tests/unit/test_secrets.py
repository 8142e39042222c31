"""What is masked in texts that others wrote."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.secrets import masked

FORMS = (
    "password={}",
    "DB_PASSWORD={} is wrong",
    "connect(user='joe', password='{}')",
    "{{'password': '{}', 'user': 'joe'}}",
    '{{"api_key": "{}"}}',
    '{{\\"client_secret\\": \\"{}\\"}}',
    "Api-Key: {}",
    "aws_secret_access_key = {}",
    "SecretAccessKey: {}",
    "AccountKey={};EndpointSuffix=core",
    "passphrase => {}",
    "mysql --password {} -h db",
    "postgresql://joe:{}@db/x",
    "https://x/y?a=1&access_token={}&b=2",
    "Authorization: Bearer {}",
)
SECRETS = st.text(string.ascii_letters + string.digits + "._~+-", min_size=6, max_size=40).map("Zq7".__add__)


@given(st.sampled_from(FORMS), SECRETS, st.text(max_size=30), st.text(max_size=30))
def test_no_form_gives_its_secret_away(form: str, secret: str, before: str, after: str) -> None:
    assert secret not in masked(f"{before} {form.format(secret)} {after}")


@given(st.text("abc xyz", min_size=1, max_size=20))
def test_a_quoted_secret_is_masked_with_its_spaces(secret: str) -> None:
    assert masked(f"password='{secret}', host=db") == "password=***, host=db"


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 9,
        "glpat-" + "a1B2" * 5,
    ],
)
def test_a_token_is_known_by_its_looks(token: str) -> None:
    assert masked(f"request with {token} was refused") == "request with *** was refused"


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'id'",
        "psycopg.OperationalError: connection to server at db failed: password authentication failed",
        "the token has expired; 3 tokens were read",
        "prod: daily_sales.load failed, try 3 of 3",
    ],
)
def test_what_names_no_secret_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


@given(st.text())
def test_what_is_masked_stays_as_it_is_when_masked_again(text: str) -> None:
    assert masked(masked(text)) == masked(text)
