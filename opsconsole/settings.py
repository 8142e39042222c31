"""How every stage's settings are shaped: frozen, closed to unknown keys, durations and sizes as people write them."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from opsconsole.secrets import remember

_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_LONGEST = timedelta(days=36_500)
"""More before now is before the calendar in the end, and nobody means it."""
_MILLIS = (365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?", re.IGNORECASE)
_UNITS = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def parse_duration(text: str) -> timedelta:
    """A duration as Prometheus writes it: `15s`, `1h30m`, `30d`, `500ms`; `0` alone is none. Raises ValueError."""
    text = text.strip()
    if text == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration: write it like 15s, 5m, 1h30m or 30d")
    try:
        return timedelta(milliseconds=sum(int(n) * unit for n, unit in zip(match.groups(), _MILLIS, strict=True) if n))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{text[:20]!r}… is longer than any duration") from error


def format_duration(duration: timedelta) -> str:
    """The same, the other way: the fewest units that say it exactly (to the millisecond)."""
    rest = round(duration / timedelta(milliseconds=1))
    words = []
    for name, unit in zip(("d", "h", "m", "s", "ms"), _MILLIS[2:], strict=True):
        count, rest = divmod(rest, unit)
        if count:
            words.append(f"{count}{name}")
    return "".join(words) or "0s"


def parse_size(text: str) -> int:
    """A size in bytes from `100GiB`, `512 MB` or a bare number. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write it like 512MiB or 100GiB")
    try:
        return round(float(match[1]) * _UNITS[(match[2] or "b").lower()])
    except OverflowError as error:
        raise ValueError(f"{text[:20]!r}… is larger than any size") from error


def _duration(value: Any) -> Any:
    duration = parse_duration(value) if isinstance(value, str) else _refuse_number(value, timedelta, "a duration like 15s")
    if duration > _LONGEST:
        raise ValueError(f"{value!r} is longer than a century")
    return duration


def _size(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else value


def _refuse_number(value: Any, kind: type, wanted: str) -> Any:
    if isinstance(value, kind) or value == 0:
        return value if isinstance(value, kind) else timedelta(0)
    raise ValueError(f"{value!r} is not {wanted}")


def _text(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Duration = Annotated[timedelta, BeforeValidator(_duration, json_schema_input_type=str | Literal[0])]
Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=str | int)]
_AS_TEXT = BeforeValidator(_text)
Text = Annotated[str, _AS_TEXT]
"""A text that may be written as YAML's bare numbers, booleans or nothing, as Go's programs read them: `1.50` stays that."""
AsWritten = BeforeValidator(lambda value: getattr(value, "written", value))
"""Of a mapping whose keys and values are such texts; `documents.Written` knows how they were written."""
Texts = Annotated[dict[str, Text], AsWritten]
Secret = SecretStr
"""A text that is never shown; a key `x` of this kind may be given as `x_file`, the name of a file that holds it."""


class Settings(BaseModel):
    """The base of every stage's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = {**data, **_texts(cls, data)}
        for name, field in cls.model_fields.items():
            if SecretStr not in (field.annotation, *get_args(field.annotation)):
                continue
            if (path := data.pop(f"{name}_file", None)) is not None:
                if name in data:
                    raise ValueError(f"give {name} or {name}_file, not both")
                data[name] = _content(path, name)
            if isinstance(data.get(name), str):
                remember(data[name])
        return data


def _texts(kind: type[BaseModel], data: dict[Any, Any]) -> dict[str, Any]:
    """The texts of a mapping as the file has them, where what read it says how that is."""
    written = getattr(data, "written", {})
    texts = [field.alias or name for name, field in kind.model_fields.items() if _AS_TEXT in field.metadata]
    return {key: written[key] for key in texts if key in written}


def _content(path: Any, name: str) -> str:
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{name}_file: {path} cannot be read: {error.strerror}") from error
