"""Text from outside, made fit to be kept: PostgreSQL refuses the NUL character, and half a surrogate pair is not UTF-8."""

from collections.abc import Mapping
from dataclasses import replace

from opsconsole.model import Finding, Labels, Verdict

MOST = 4000
"""Characters of an annotation that are kept; a message shows far fewer."""


def cleaned(verdict: Verdict) -> Verdict:
    """The verdict with only text that every database and receiver takes."""
    return replace(verdict, findings=tuple(_finding(finding) for finding in verdict.findings))


def fit_text(text: str) -> str:
    """The text, with what a database or receiver would refuse replaced."""
    return text if _fit(text) else _mended(text)


def _finding(finding: Finding) -> Finding:
    labels = finding.labels if all(map(_fit, finding.labels.values())) else Labels(_pairs(finding.labels))
    if labels is finding.labels and all(_fit(text) and len(text) <= MOST for text in finding.annotations.values()):
        return finding
    short = {name: text if len(text) <= MOST else text[: MOST - 1] + "…" for name, text in _pairs(finding.annotations).items()}
    return replace(finding, labels=labels, annotations=short)


def _pairs(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: fit_text(text) for name, text in texts.items()}


def _fit(text: str) -> bool:
    return (text.isascii() and "\0" not in text) or _encodable(text)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _mended(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "�")
