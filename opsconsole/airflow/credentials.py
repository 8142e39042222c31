"""Ways to log in to an Airflow. All have one shape: headers to send, and renewing them where they were refused."""

import asyncio
import base64
import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from opsconsole.airflow.errors import Refused
from opsconsole.airflow.settings import Auth
from opsconsole.airflow.transport import Answer, Request, Transport
from opsconsole.clock import Clock
from opsconsole.model import CollectError
from opsconsole.secrets import redacted

Headers = Mapping[str, str]

_RENEW_AFTER = 60.0
"""Seconds: a login younger than this that is refused lacks a permission; another login would not mend that."""
_RETRY_LOGIN_AFTER = 30.0
"""Seconds before a refused login is tried again, so that a wrong password does not lock an account."""
_COMMAND_DEADLINE = 30.0
_RETRY_COMMAND_AFTER = 10.0
"""Seconds for which a failure of the command answers for it."""


class Credentials(Protocol):
    async def headers(self, *, needed: bool = True) -> Headers:
        """What to send; where a login is not `needed`, only what costs nothing (a proxy in front may want it)."""
        ...

    async def renew(self, refused: Headers, answer: Answer) -> bool:
        """Whether there is something new to send after `refused` was answered with 401 or 403."""
        ...


class Fixed:
    """Headers that never change; `always` sends them where no login is needed too."""

    def __init__(self, headers: Headers, *, always: bool = True) -> None:
        self._headers, self._always = headers, always

    async def headers(self, *, needed: bool = True) -> Headers:
        return self._headers if needed or self._always else {}

    async def renew(self, refused: Headers, answer: Answer) -> bool:
        return False


class _Renewed:
    """A bearer token that is fetched on first use and again where it is refused; whoever waits shares one fetch."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, asyncio.Lock()
        self._token: str | None = None
        self._fetched = 0.0

    async def _fetch(self) -> str:
        raise NotImplementedError

    async def headers(self, *, needed: bool = True) -> Headers:
        async with self._lock:
            if self._token is None:
                await self._refetch()
        return {"Authorization": f"Bearer {self._token}"}

    async def renew(self, refused: Headers, answer: Answer) -> bool:
        async with self._lock:
            if refused.get("Authorization") != f"Bearer {self._token}":
                return True
            if not self._worth_renewing(answer):
                return False
            await self._refetch()
            return True

    def _worth_renewing(self, answer: Answer) -> bool:
        blames_token = isinstance(answer.body, dict) and "token" in str(answer.body.get("detail", "")).lower()
        return blames_token or self._clock.monotonic() - self._fetched >= _RENEW_AFTER

    async def _refetch(self) -> None:
        self._token = None
        self._token = await self._fetch()
        self._fetched = self._clock.monotonic()


class Login(_Renewed):
    """3.x: a JWT from `POST /auth/token`, which answers 201."""

    def __init__(self, transport: Transport, username: str, password: str, clock: Clock) -> None:
        super().__init__(clock)
        self._transport, self._body = transport, {"username": username, "password": password}
        self._refused_at: float | None = None

    async def headers(self, *, needed: bool = True) -> Headers:
        return await super().headers() if needed else {}

    async def _fetch(self) -> str:
        if self._refused_at is not None and self._clock.monotonic() - self._refused_at < _RETRY_LOGIN_AFTER:
            raise _login_refused(401)
        answer = await self._transport.send(Request("POST", "/auth/token", json=self._body))
        if answer.status in (400, 401, 403, 422):
            self._refused_at = self._clock.monotonic()
            raise _login_refused(answer.status)
        token = answer.body.get("access_token") if isinstance(answer.body, dict) else None
        if answer.status not in (200, 201) or not isinstance(token, str):
            raise Refused(f"POST /auth/token: no token in the answer (status {answer.status})", answer.status)
        self._refused_at = None
        return token


def _login_refused(status: int) -> Refused:
    return Refused("login refused: check auth.username and auth.password", status)


class TokenCommand(_Renewed):
    """A token that a command prints, such as `gcloud auth print-access-token`; run without a shell.

    It may take longer than whoever waits for it: it runs on, for the next to ask. A failure is told to all who ask
    shortly after, so that a dozen collectors do not start a dozen commands.
    """

    def __init__(self, command: str, clock: Clock, deadline: float = _COMMAND_DEADLINE) -> None:
        super().__init__(clock)
        self._command, self._deadline = shlex.split(command), deadline
        self._running: asyncio.Task[str | CollectError] | None = None
        self._failed_at = 0.0

    async def _fetch(self) -> str:
        if self._running is None or self._is_spent(self._running):
            self._running = asyncio.create_task(self._outcome())
        outcome = await asyncio.shield(self._running)
        if isinstance(outcome, CollectError):
            raise CollectError(str(outcome), retryable=outcome.retryable) from outcome
        self._running = None
        return outcome

    def _is_spent(self, run: "asyncio.Task[str | CollectError]") -> bool:
        if not run.done():
            return False
        if run.cancelled() or run.exception() is not None:
            return True
        return isinstance(run.result(), CollectError) and self._clock.monotonic() - self._failed_at >= _RETRY_COMMAND_AFTER

    async def _outcome(self) -> str | CollectError:
        """A failure is a value: nobody may be waiting for it any more."""
        try:
            return await self._printed()
        except CollectError as error:
            self._failed_at = self._clock.monotonic()
            return error

    async def _printed(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise CollectError(f"auth.token_command: {self._command[0]}: {error.strerror}", retryable=False) from error
        try:
            async with asyncio.timeout(self._deadline):
                output, complaint = await process.communicate()
        except TimeoutError as error:
            raise CollectError(f"auth.token_command: no token within {self._deadline:g} s") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return self._token_in(process.returncode or 0, output, complaint)

    def _token_in(self, status: int, output: bytes, complaint: bytes) -> str:
        lines = complaint.decode(errors="replace").strip().splitlines()
        if status != 0:
            reason = redacted(lines[-1])[:200] if lines else "it said nothing"
            raise CollectError(f"auth.token_command: exit status {status}: {reason}")
        token = output.decode(errors="replace").strip()
        if not token or len(token.split()) != 1:
            raise CollectError("auth.token_command: it must print one token and nothing else", retryable=False)
        return token


def ambient(auth: Auth, clock: Clock) -> Credentials | None:
    """The credentials that do not depend on Airflow's generation; None where a password is to be used."""
    if auth.token is not None:
        return Fixed({"Authorization": f"Bearer {auth.token.get_secret_value()}"})
    if auth.headers is not None:
        return Fixed({name: value.get_secret_value() for name, value in auth.headers.items()})
    if auth.token_command is not None:
        return TokenCommand(auth.token_command, clock)
    return None if auth.username is not None else Fixed({})


def basic(auth: Auth) -> Credentials:
    """2.x: the password with every request that needs a login; each costs Airflow a password hash."""
    password = auth.password.get_secret_value() if auth.password else ""
    pair = base64.b64encode(f"{auth.username}:{password}".encode()).decode()
    return Fixed({"Authorization": f"Basic {pair}"}, always=False)


def login(auth: Auth, transport: Transport, clock: Clock) -> Credentials:
    return Login(transport, auth.username or "", auth.password.get_secret_value() if auth.password else "", clock)
