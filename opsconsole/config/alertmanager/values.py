"""Kinds of values in an `alertmanager.yml`, as Alertmanager 0.25 takes them (`config/config.go`, `config/notifiers.go`).

Secrets are plain text here: each becomes one of ours when its receiver is translated, and is remembered as secret then.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StrictBool, StrictInt

from opsconsole.settings import Settings, Text

MASKED = "<secret>"
"""What stands in place of a secret in a configuration that an Alertmanager showed."""

_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def _url(text: str) -> str:
    """Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"unsupported scheme {parts.scheme!r} for URL: write it like https://host/path")
    if not parts.netloc.rpartition("@")[2]:
        raise ValueError("missing host for URL")
    if _ESCAPE.search(parts.path) or any(ord(letter) < 32 or ord(letter) == 127 for letter in text) or " " in parts.netloc:
        raise ValueError("is not a URL")
    if not re.fullmatch(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?", parts.netloc.rpartition("@")[2]):
        raise ValueError("the port of the URL is not a number")
    return text


def _secret_url(text: str) -> str:
    return text if text == MASKED else _url(text)


def _host_and_port(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if text and (not colon or not port or (":" in host and not (host.startswith("[") and host.endswith("]")))):
        raise ValueError(f"{text!r} is not host:port")
    return text


Url = Annotated[Text, AfterValidator(_url)]
SecretUrl = Annotated[Text, AfterValidator(_secret_url)]
HostPort = Annotated[Text, AfterValidator(_host_and_port)]
Bool = StrictBool
Whole = StrictInt


class Part(Settings):
    """A mapping of the file; a key that it does not know is a mistake."""


def one_of(part: Part, name: str, other: str) -> None:
    """Raises ValueError where both keys are given."""
    if getattr(part, name) and getattr(part, other):
        raise ValueError(f"at most one of {name} & {other} must be configured")


__all__ = ["MASKED", "Bool", "HostPort", "Part", "SecretUrl", "Text", "Url", "Whole", "one_of"]
