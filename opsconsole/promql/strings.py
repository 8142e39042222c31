"""Quoted text as Go's lexers go through it: where it ends, and what they say of an escape sequence that is none."""

from collections.abc import Callable
from typing import NoReturn

from opsconsole.promql.tokens import go_quoted

_ESCAPES = {"x": (2, 16, 255), "u": (4, 16, 0x10FFFF), "U": (8, 16, 0x10FFFF)}
"""Digits, their base, and the largest code."""
BROKEN = "\ufffd"
"""What stands for bytes that are no UTF-8."""
Fail = Callable[[str], NoReturn]


def string_end(text: str, begin: int, fail: Fail) -> int:
    """Where the string ends whose quotation mark stands at `begin`: just past its other one. `fail` is told what is wrong."""
    mark, at = text[begin], begin + 1
    while (char := text[at : at + 1]) != mark:
        if char == BROKEN or "\ud800" <= char < "\ue000":
            fail("invalid UTF-8 rune")
        if not char or (char == "\n" and mark != "`"):
            fail("unterminated raw string" if mark == "`" else "unterminated quoted string")
        at = _escape_end(text, at + 1, mark, fail) if char == "\\" and mark != "`" else at + 1
    return at + 1


def _escape_end(text: str, at: int, mark: str, fail: Fail) -> int:
    """Past an escape sequence whose backslash stands before `at`."""
    char = text[at : at + 1]
    if char and char in "abfnrtv\\" + mark:
        return at + 1
    if not char:
        fail("escape sequence not terminated")
    octal = char in "01234567"
    if not octal and char not in _ESCAPES:
        fail(f"unknown escape sequence {_named_rune(char)}")
    digits, base, most = (3, 8, 255) if octal else _ESCAPES[char]
    begin, value = at + (not octal), 0
    for place in range(begin, begin + digits):
        digit = text[place : place + 1]
        if not digit:
            fail("escape sequence not terminated")
        if digit not in "0123456789abcdefABCDEF" or int(digit, 16) >= base:
            fail(f"illegal character {_named_rune(digit)} in escape sequence")
        value = value * base + int(digit, 16)
    if value > most or 0xD800 <= value < 0xE000:
        fail("escape sequence is an invalid Unicode code point")
    return begin + digits


def rune(char: str) -> str:
    """As Go prints a character that is quoted; there is none at the end, which Go takes for a broken one."""
    return go_quoted(char or BROKEN, "'")


def _named_rune(char: str) -> str:
    return f"U+{ord(char):04X} '{char}'" if char.isprintable() else f"U+{ord(char):04X}"
