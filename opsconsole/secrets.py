"""Keeping secrets out of logs, pages, errors and answers."""

import re

_MASK = "***"
_USERINFO = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*(?=@)|(?<=://)[^/\s@:]{8,}(?=@)")
_QUERY = re.compile(r"(?i)(?<=[?&])((?:api_?key|key|token|access_token|password|secret|signature|sig)=)[^&\s\"'#]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
_SLACK = re.compile(r"\bxox[a-z]-[\w-]+|(?<=hooks\.slack\.com/services/)[\w/]+")
_NAMES = (
    r"pass(?:word|wd|phrase)|pwd|secret(?:_?key)?|token|credentials?"
    r"|(?:api|secret_?access|access|private|account)[_-]?key(?:_?id)?"
)
_VALUE = r"""\\{0,4}"[^"]*"?|\\{0,4}'[^']*'?|[^\s,;)}\]&"']+"""
_ASSIGNED = re.compile(rf"""(?i)((?:{_NAMES})[\\"']{{0,4}}\s{{0,3}}(?:=>|={{1,2}}|:=?)\s{{0,3}}|--(?:{_NAMES})\s)(?:{_VALUE})""")
_TOKENS = re.compile(
    r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"  # a JSON web token, RFC 7519
    r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"  # an AWS access key id
    r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
)
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


def masked(text: str) -> str:
    """`text` that others wrote (a log's line, an exception, an annotation), of which nothing is known: beside what `redacted`
    masks, `password=…` and its like in any notation, JSON web tokens, and the keys of AWS, GitHub and GitLab.

    Rather too much than too little: `unexpected token: x` loses its x.
    """
    return _ASSIGNED.sub(rf"\1{_MASK}", _TOKENS.sub(_MASK, redacted(text)))
