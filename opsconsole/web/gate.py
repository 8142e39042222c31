"""Who may come in: sessions, API keys, the CSRF token and the Origin of unsafe requests."""

import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from opsconsole.db import accounts
from opsconsole.web.console import Console
from opsconsole.web.forms import fields
from opsconsole.web.identity import Identity, Role
from opsconsole.web.passwords import digest, new_token
from opsconsole.web.settings import is_loopback

log = logging.getLogger(__name__)

COOKIE = "opsconsole_session"
LIFETIME = timedelta(days=7)
_EXTEND_AFTER = timedelta(hours=1)
_SAFE = ("GET", "HEAD", "OPTIONS")
_FORWARDED = ("forwarded", "x-forwarded-", "x-real-ip", "via", "x-client-ip", "true-client-ip", "cf-connecting-ip")
"""How headers begin that only a proxy writes."""


class LoginNeeded(Exception):
    """Nobody is signed in, and somebody must be."""


class Refused(Exception):
    """Somebody is signed in, and may not; the text says why."""


class Gate:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._keys = [(key.key.get_secret_value(), key) for key in console.auth.api_keys]
        self._open = Identity("everyone", Role.ADMIN, "open", new_token())

    def needs(self, role: Role = Role.VIEWER) -> Callable[[Request], Awaitable[None]]:
        """A dependency: lets through who has `role`, and leaves the `Identity` in `request.state.identity`."""

        async def dependency(request: Request) -> None:
            identity = await self._allowed(request, role)
            await self._check_intent(request, identity)
            request.state.identity = identity

        return dependency

    def reads(self, role: Role = Role.VIEWER) -> Callable[[Request], Awaitable[None]]:
        """The same for what changes nothing, whatever its method: a query is posted where it is long."""

        async def dependency(request: Request) -> None:
            identity = await self._allowed(request, role)
            if identity.kind != "key" and not self.same_origin(request):
                raise Refused("this request was sent from another site")
            request.state.identity = identity

        return dependency

    async def _allowed(self, request: Request, role: Role) -> Identity:
        identity = await self.identify(request)
        if identity is None:
            raise LoginNeeded
        if not identity.role.covers(role):
            raise Refused(f"this needs the role {role}, and {identity.name} is {identity.role}")
        return identity

    async def identify(self, request: Request) -> Identity | None:
        if key := shown_key(request):
            return self.key_identity(key)
        if self._console.auth.mode == "none":
            return self._open if self._is_our_name(request) else None
        token = request.cookies.get(COOKIE, "")
        return await self._session(token, self._console.clock.now()) if token else None

    def key_identity(self, shown: str) -> Identity | None:
        """Compares with every key in constant time each."""
        fits = [key for secret, key in self._keys if hmac.compare_digest(secret.encode(), shown.encode())]
        return Identity(fits[0].name, Role(fits[0].role), "key") if fits else None

    def shown_key_fits(self, request: Request) -> bool:
        shown = shown_key(request)
        return bool(shown) and self.key_identity(shown) is not None

    def is_local(self, request: Request) -> bool:
        """The peer is this machine itself: no proxy in between, and asked for by a loopback name.

        Who asks from here by the public name is a proxy that passes the name on and hides whom it asks for.
        """
        peer = request.client.host if request.client else ""
        forwarded = any(name.startswith(_FORWARDED) for name in request.headers)
        return is_loopback(peer) and not forwarded and is_loopback(_host(f"//{request.headers.get('host', '')}"))

    def same_origin(self, request: Request) -> bool:
        """Whether a browser sent this from one of our own pages; a client that says nothing of where it stands passes."""
        origin = request.headers.get("origin")
        if origin is None:
            return request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        return _netloc(origin) in (request.headers.get("host"), urlsplit(self._console.server.address).netloc)

    async def _check_intent(self, request: Request, identity: Identity) -> None:
        if identity.kind == "key":
            return
        if request.method in _SAFE:
            if _from_within_another_site(request):
                raise Refused("this request was sent from another site")
            return
        if not self.same_origin(request):
            raise Refused("this request was sent from another site")
        shown = request.headers.get("x-csrf-token") or (await fields(request)).get("csrf", "")
        if not hmac.compare_digest(shown.encode(), identity.csrf.encode()):
            raise Refused("this page is too old: load it again and repeat")

    async def _session(self, token: str, now: datetime) -> Identity | None:
        async with self._console.db.read() as session:
            found = await accounts.living_session(session, digest(token), now)
        if found is None:
            return None
        if now + LIFETIME - found.expires_at > _EXTEND_AFTER:
            await self._extend(token, now)
        return Identity(found.user, Role(found.role), "session", found.csrf)

    async def _extend(self, token: str, now: datetime) -> None:
        """A session that cannot be written still lasts until its end: a full disk must not close the console's pages."""
        try:
            async with self._console.db.begin() as session:
                await accounts.extend_session(session, digest(token), now + LIFETIME)
        except SQLAlchemyError as error:
            log.warning("a session could not be extended", extra={"why": type(error).__name__})

    def _is_our_name(self, request: Request) -> bool:
        """Against DNS rebinding: a page elsewhere whose name was made to mean this machine still sends its own name."""
        host = _host(f"//{request.headers.get('host', '')}")
        return is_loopback(host) or host == urlsplit(self._console.server.address).hostname


def _from_within_another_site(request: Request) -> bool:
    """Whether a page elsewhere asks by itself, as for an image, rather than a person who follows a link to here."""
    return request.headers.get("sec-fetch-site") == "cross-site" and request.headers.get("sec-fetch-mode") != "navigate"


def shown_key(request: Request) -> str:
    """The API key that a request carries: Bearer, Basic's password, or X-Api-Key."""
    if key := request.headers.get("x-api-key"):
        return key
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return "?"
    return ""


def _netloc(address: str) -> str:
    try:
        return urlsplit(address).netloc
    except ValueError:  # an unclosed bracket
        return ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def safe_target(target: str | None) -> str:
    """Where to go after login: a path of our own, or the overview; never another site."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return "/"
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or any(ord(c) < 32 for c in target):
        return "/"
    return target
