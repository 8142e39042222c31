"""Keeping secrets out of logs, pages, errors and answers."""

import re

_MASK = "***"
_USERINFO = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*(?=@)|(?<=://)[^/\s@:]{8,}(?=@)")
_QUERY = re.compile(r"(?i)(?<=[?&])((?:api_?key|key|token|access_token|password|secret|signature|sig)=)[^&\s\"'#]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
_SLACK = re.compile(r"\bxox[a-z]-[\w-]+|(?<=hooks\.slack\.com/services/)[\w/]+")
_known: set[str] = set()


def remember(secret: str) -> None:
    """Have this very text masked wherever it would be written; very short ones are left alone, they would mask everything."""
    if len(secret) >= 6:
        _known.add(secret)


def redacted(text: str) -> str:
    """`text` with credentials masked: those of URLs, authorization headers, Slack tokens, and every remembered secret."""
    for secret in _known:
        text = text.replace(secret, _MASK)
    text = _USERINFO.sub(_MASK, text)
    text = _QUERY.sub(rf"\1{_MASK}", text)
    text = _BEARER.sub(rf"\1 {_MASK}", text)
    return _SLACK.sub(_MASK, text)
