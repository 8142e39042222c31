"""Accounts as the console needs them: the first admin, login and logout."""

from dataclasses import dataclass
from datetime import timedelta

from opsconsole.clock import Clock
from opsconsole.db import Database, accounts
from opsconsole.web.gate import LIFETIME
from opsconsole.web.identity import Role
from opsconsole.web.passwords import Passwords, digest, new_password, new_token
from opsconsole.web.throttle import Throttle

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A login's end: a session's token, or why not; `wait` where there were too many attempts."""

    token: str = ""
    problem: str = ""
    wait: timedelta = timedelta(0)


class Logins:
    """Five failures in five minutes for a name from an address, fifty for an address, then it waits.

    An attempt counts from before its password is looked at until it proves right.
    """

    def __init__(self, db: Database, clock: Clock, passwords: Passwords | None = None) -> None:
        self._db, self._clock, self._passwords = db, clock, passwords or Passwords()
        self._by_name = Throttle(5, timedelta(minutes=5))
        self._by_address = Throttle(50, timedelta(minutes=5))

    async def login(self, name: str, password: str, address: str) -> Outcome:
        async with self._db.read() as session:
            known = await accounts.credentials(session, name)
        now, pair = self._clock.now(), f"{address} {name[:100]}"
        if wait := max(self._by_name.wait(pair, now), self._by_address.wait(address, now)):
            return Outcome(problem="too many attempts", wait=wait)
        self._by_name.attempted(pair, now)
        self._by_address.attempted(address, now)
        if not await self._passwords.fits(known[1] if known else None, password) or known is None:
            return Outcome(problem="wrong name or password")
        self._by_name.forget(pair)
        self._by_address.forgiven(address)
        token = new_token()
        async with self._db.begin() as session:
            await accounts.open_session(session, digest(token), known[0], new_token(), now, now + LIFETIME)
        return Outcome(token=token)

    async def logout(self, token: str) -> None:
        async with self._db.begin() as session:
            await accounts.end_session(session, digest(token))


async def ensure_admin(db: Database, clock: Clock, passwords: Passwords | None = None) -> str | None:
    """At the first start, make the user `admin`; returns its password, to be printed once, and None ever after."""
    async with db.read() as session:
        if await accounts.count_users(session):
            return None
    password = new_password()
    hashed = await (passwords or Passwords()).hash(password)
    async with db.begin() as session:
        if await accounts.count_users(session):
            return None
        await accounts.add_user(session, ADMIN, hashed, Role.ADMIN, clock.now())
    return password
