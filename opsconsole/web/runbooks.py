"""Runbooks as pages, and the first steps taken out of them."""

import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from opsconsole.web.markdown import html

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_LONGEST = 200_000


def rendered(text: str) -> Markup:
    """A link to another runbook's file leads to its page."""
    return html(text[:_LONGEST], lambda target: re.sub(r"^(?:\./)?([a-z0-9-]+)\.md(#.*)?$", r"\1\2", target))


@dataclass(frozen=True, slots=True)
class Runbook:
    name: str
    title: str
    body: str

    def section(self, heading: str) -> str:
        """The text under `## heading`, up to the next heading of that level."""
        pattern = rf"^##\s+{re.escape(heading)}\s*$(.*?)(?=^##\s|\Z)"
        match = re.search(pattern, self.body, re.MULTILINE | re.DOTALL | re.IGNORECASE)
        return match[1].strip() if match else ""

    @property
    def first_steps(self) -> Markup:
        return rendered(self.section("First steps"))


def find(folder: Path | None, name: str) -> Runbook | None:
    """The runbook `name`, with or without its `.md`."""
    name = name.removesuffix(".md")
    if folder is None or not _NAME.fullmatch(name):
        return None
    try:
        text = (folder / f"{name}.md").read_text(encoding="utf-8")
    except OSError:
        return None
    title, _, body = text.strip().partition("\n")
    return Runbook(name, title.lstrip("# ").strip() or name, body)


def every(folder: Path | None) -> list[Runbook]:
    names = sorted(path.stem for path in folder.glob("*.md")) if folder and folder.is_dir() else []
    return [runbook for name in names if (runbook := find(folder, name))]


def name_in(address: str) -> str:
    """The runbook that a `runbook_url` like `docs/runbooks/x.md` speaks of; nothing for somebody else's."""
    match = re.fullmatch(r"/?docs/runbooks/([a-z0-9-]+)(?:\.md)?(?:#.*)?", address)
    return match[1] if match else ""
