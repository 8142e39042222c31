"""JSON as Go's `encoding/json` reads it, and what it says of what is not."""

import json
import re
from typing import Any, NoReturn

_LITERALS = ("true", "false", "null")
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadJson(ValueError):
    """Text that is no JSON, in Go's words."""


def _refuse(word: str) -> NoReturn:
    raise BadJson(f"invalid character '{word[0]}' looking for beginning of value")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def decoded(raw: bytes) -> Any:
    """The first value of the text; what follows it is not looked at. Half a surrogate pair is U+FFFD. Raises BadJson."""
    text = raw.decode("utf-8", "replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise BadJson(_worded(text, error)) from error
    except RecursionError as error:
        raise BadJson("exceeded max depth") from error
    return _whole(value) if b"\\u" in raw and "\\ud" in text[start:end].lower() else value


def kind_of(value: Any) -> str:
    """Go's word for a JSON value's type."""
    if isinstance(value, bool):
        return "bool"
    kinds: dict[type, str] = {str: "string", dict: "object", list: "array", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def _whole(value: Any) -> Any:
    """With half surrogate pairs replaced."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


def _worded(text: str, error: json.JSONDecodeError) -> str:
    place = error.pos
    if error.msg.startswith("Unterminated string") or place >= len(text.rstrip()):
        return "unexpected EOF"
    letter = text[place]
    if error.msg.startswith("Expecting value"):
        return _literal(text[place:]) or f"invalid character {_quoted(letter)} looking for beginning of value"
    if error.msg.startswith("Expecting property name"):
        return f"invalid character {_quoted(letter)} looking for beginning of object key string"
    if error.msg.startswith("Illegal trailing comma"):
        closing = text[place + 1 :].lstrip()[:1]
        what = "object key string" if closing == "}" else "value"
        return f"invalid character {_quoted(closing)} looking for beginning of {what}"
    if error.msg.startswith("Expecting ':'"):
        return f"invalid character {_quoted(letter)} after object key"
    if error.msg.startswith("Expecting ','"):
        return f"invalid character {_quoted(letter)} after {_innermost(text[:place])}"
    if error.msg.startswith("Invalid control"):
        return f"invalid character {_quoted(letter)} in string literal"
    return f"invalid character {_quoted(text[place + 1 : place + 2] or letter)} in string escape code"


def _literal(rest: str) -> str:
    """What is wrong with a word that begins like true, false or null."""
    word = next((word for word in _LITERALS if word[0] == rest[0]), None)
    if word is None:
        return ""
    for index, letter in enumerate(word):
        if index >= len(rest):
            return "unexpected EOF"
        if rest[index] != letter:
            return f"invalid character {_quoted(rest[index])} in literal {word} (expecting {_quoted(letter)})"
    return ""


def _innermost(text: str) -> str:
    """What a comma was wanted after."""
    opened = []
    for piece in re.findall(r'"(?:\\.|[^"\\])*"|[\[\]{}]', text, re.DOTALL):
        if piece in "[{":
            opened.append(piece)
        elif piece in "]}":
            opened.pop()
    return "array element" if opened and opened[-1] == "[" else "object key:value pair"


def _quoted(letter: str) -> str:
    return {"'": "'\\''", '"': "'\"'", "\n": "'\\n'", "\t": "'\\t'", "\r": "'\\r'"}.get(letter, f"'{letter}'")
