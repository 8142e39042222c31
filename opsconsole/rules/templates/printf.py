"""Go's `fmt.Sprintf`: flags, width, precision, `*`, argument indexes, every verb that fits a value of a template, and the
complaints that Go writes into the text where one does not fit.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsconsole.rules.templates.gofmt import float_text, shown, type_name
from opsconsole.rules.templates.gotime import Duration, Moment
from opsconsole.rules.templates.tokens import TemplateError
from opsconsole.rules.templates.values import Context, Element

WIDEST = 1000
"""Characters of padding or digits that a verb may ask for; Go has a limit of a million."""
_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width_at>\[[^\]]*\])?(?P<width>\*|\d+)?"
    r"(?:\.(?P<precision_at>\[[^\]]*\])?(?P<precision>\*|\d*))?(?P<at>\[[^\]]*\])?(?P<verb>.|$)",
    re.DOTALL,
)
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


@dataclass(frozen=True, slots=True)
class _Form:
    """How one value is to be written."""

    flags: str
    width: int | None
    precision: int | None

    @property
    def sign(self) -> str:
        return "+" if "+" in self.flags else " " if " " in self.flags else ""

    @property
    def sharp(self) -> bool:
        return "#" in self.flags

    def padded(self, text: str, *, zeros: bool = True) -> str:
        width = self.width or 0
        if "-" in self.flags:
            return text.ljust(width)
        return text.rjust(width, "0" if zeros and "0" in self.flags else " ")


def printf(template: str, *values: Any) -> str:
    """The text. Raises TemplateError for a width or a precision beyond all sense."""
    return _Printer(values).text(template)


class _Printer:
    """`_next` is the argument that comes next; `_moved` says that one was asked for by its number."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._next = 0
        self._moved = False

    def text(self, template: str) -> str:
        text = _DIRECTIVE.sub(self._directive, template)
        rest = self._values[self._next :]
        if self._moved or not rest:
            return text
        return f"{text}%!(EXTRA {', '.join(_typed(value) for value in rest)})"

    def _directive(self, found: re.Match[str]) -> str:
        verb = found["verb"]
        placed = [self._move(found[name]) for name in ("width_at",)]
        width, complaint = self._number(found["width"], "%!(BADWIDTH)")
        placed.append(self._move(found["precision_at"]))
        precision, more = self._number(found["precision"], "%!(BADPREC)")
        placed.append(self._move(found["at"]))
        flags = found["flags"]
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        told = complaint + more
        if not verb:
            return told + "%!(NOVERB)"
        if verb == "%":
            return told + "%"
        if not all(placed):
            return f"{told}%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{told}%!{verb}(MISSING)"
        value = self._values[self._next]
        self._next += 1
        flags = flags.replace("+", "") if verb == "v" else flags  # it stands for names of fields there, not for a sign
        return told + written(verb, value, _Form(flags, width, precision))

    def _move(self, index: str | None) -> bool:
        """Go on with the argument of that number, `[1]` being the first; whether there is such a one."""
        if index is None:
            return True
        self._moved = True
        number = index[1:-1]
        if not number.isdigit() or not 1 <= int(number) <= len(self._values):
            return False
        self._next = int(number) - 1
        return True

    def _number(self, text: str | None, complaint: str) -> tuple[int | None, str]:
        """A width or a precision, from the template or from an argument."""
        if text is None:
            return None, ""
        if text != "*":
            return _bounded(int(text or 0)), ""
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next += 1
        if not isinstance(value, int) or isinstance(value, bool):
            return None, complaint
        return (None, complaint) if complaint == "%!(BADPREC)" and value < 0 else (_bounded(value), "")


def _bounded(number: int) -> int:
    if abs(number) > WIDEST:
        raise TemplateError(f"printf: a width or a precision of {number} is too much")
    return number


def written(verb: str, value: Any, form: _Form) -> str:
    """One value by its verb, or Go's complaint."""
    if verb == "T":
        return form.padded(type_name(value)[: form.precision])
    text: str | None = None
    match value:
        case None:
            text = form.padded("<nil>") if verb == "v" else None
            return f"%!{verb}(<nil>)" if text is None else text
        case bool():
            text = form.padded(shown(value)) if verb in "tv" else None
        case int():
            text = _integer(verb, value, form)
        case float():
            text = _float(verb, value, form)
        case str():
            text = _string(verb, value, form)
        case Moment() | Duration():
            text = _string(verb, shown(value), form)
        case _:
            return _compound(verb, value, form)
    return _misfit(verb, value, form) if text is None else text


def _misfit(verb: str, value: Any, form: _Form) -> str:
    """The complaint about a verb that does not fit has the value, padded and cut as was asked."""
    plain = _Form(form.flags.replace("#", ""), form.width, form.precision)
    return f"%!{verb}({type_name(value)}={written('v', value, plain)})"


def _compound(verb: str, value: Any, form: _Form) -> str:
    """Maps, lists and what a query finds: every part by the same verb."""
    match value:
        case Element(labels, number):
            return f"&{{{written(verb, labels, form)} {written(verb, number, form)}}}"
        case Context():
            parts = (value.labels, value.external_labels, value.external_url, value.value)
            return "{" + " ".join(written(verb, part, form) for part in parts) + "}"
        case Mapping():
            pairs = (f"{written(verb, key, form)}:{written(verb, item, form)}" for key, item in sorted(value.items()))
            return f"map[{' '.join(pairs)}]"
        case Sequence():
            return f"[{' '.join(written(verb, item, form) for item in value)}]"
    return _misfit(verb, value, form)


def _integer(verb: str, value: int, form: _Form) -> str | None:
    match verb:
        case "c":
            return form.padded(_rune(value))
        case "q":
            return form.padded(quoted(_rune(value), "'", ascii_only="+" in form.flags))
        case "U":
            return form.padded(f"U+{value:04X}", zeros=False)
    formats = {"v": "d", "d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
    if verb not in formats:
        return None
    digits = format(abs(value), formats[verb])
    sign = "-" if value < 0 else form.sign
    if form.precision is not None:
        digits = "" if form.precision == 0 and value == 0 else digits.rjust(form.precision, "0")
    elif "0" in form.flags and "-" not in form.flags and form.width is not None:
        digits = digits.rjust(form.width - len(sign), "0")
    prefix = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}.get(verb, "") if form.sharp else ""
    return form.padded(sign + ("0o" if verb == "O" else prefix) + digits, zeros=False)


def _rune(value: int) -> str:
    return chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else "\ufffd"


def _float(verb: str, value: float, form: _Form) -> str | None:
    if verb not in "vfFeEgGbxX":
        return None
    if not math.isfinite(value):
        sign = form.sign if math.isnan(value) else "-" if value < 0 else form.sign or "+"
        return form.padded(sign + ("NaN" if math.isnan(value) else "Inf"), zeros=False)
    if verb in "bxX":
        digits = _binary(abs(value)) if verb == "b" else _hexadecimal(abs(value))
        digits = digits.upper() if verb == "X" else digits
    elif verb in "vgG" and form.precision is None:
        digits = float_text(abs(value)).upper() if verb == "G" else float_text(abs(value))
    else:
        kind = "g" if verb == "v" else verb
        digits = format(abs(value), f"{'#' if form.sharp else ''}.{6 if form.precision is None else form.precision}{kind}")
    sign = "-" if math.copysign(1, value) < 0 else form.sign
    if "0" in form.flags and "-" not in form.flags and form.width is not None:
        digits = digits.rjust(form.width - len(sign), "0")
    return form.padded(sign + digits, zeros=False)


def _binary(value: float) -> str:
    mantissa, exponent = math.frexp(value)
    return f"{int(mantissa * 2**53)}p{exponent - 53:+d}" if value else "0p-1074"


def _hexadecimal(value: float) -> str:
    mantissa, _, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{int(exponent):+03d}"


def _string(verb: str, value: str, form: _Form) -> str | None:
    match verb:
        case "v" if form.sharp:
            return form.padded(quoted(value))
        case "s" | "v":
            return form.padded(value[: form.precision])
        case "q":
            return form.padded(_quoted_or_raw(value[: form.precision], form))
        case "x" | "X":
            body = value.encode()[: form.precision]
            gap = " " if " " in form.flags else ""
            prefix = "0x" if form.sharp else ""
            text = (gap + prefix if gap else "").join(f"{byte:02x}" for byte in body)
            return form.padded((prefix + text).upper() if verb == "X" else prefix + text)
    return None


def _quoted_or_raw(text: str, form: _Form) -> str:
    if form.sharp and "`" not in text and all(char == "\t" or char.isprintable() for char in text):
        return f"`{text}`"
    return quoted(text, ascii_only="+" in form.flags)


def quoted(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """Go's `strconv.Quote`."""
    return mark + "".join(_escaped(char, mark, ascii_only) for char in text) + mark


def _escaped(char: str, mark: str, ascii_only: bool) -> str:
    code = ord(char)
    if char == mark:
        return "\\" + mark
    if code in _ESCAPES:
        return _ESCAPES[code]
    if code < 0x80 or not ascii_only:
        if char.isprintable():
            return char
        if code < 0x80:
            return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _typed(value: Any) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={shown(value)}"
