"""Messages as text and as HTML, from the templates beside."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsconsole.notify.message import Message

if TYPE_CHECKING:
    import jinja2

_COLOURS = {"critical": "#c0262d", "high": "#c0262d", "warning": "#9a6200", "info": "#5b6570"}


def as_text(message: Message) -> str:
    return _render("message.txt.j2", message).strip() + "\n"


def as_html(message: Message) -> str:
    colour = "#1a7f4b" if message.resolved else _COLOURS.get(message.severity, "#9a6200")
    return _render("message.html.j2", message, colour=colour)


def _render(name: str, message: Message, **more: Any) -> str:
    return _environment().get_template(name).render(m=message, **more)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    return jinja2.Environment(
        loader=loader,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
