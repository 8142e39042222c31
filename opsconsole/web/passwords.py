"""Passwords (argon2id) and tokens. Hashing runs in a thread, two at a time, so that logins never stall the watching."""

import asyncio
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST = 1024


class Passwords:
    """argon2id with OWASP's parameters (19 MiB, two passes): source, OWASP Password Storage Cheat Sheet."""

    def __init__(self, memory_kib: int = 19 * 1024) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=memory_kib, parallelism=1)
        self._turns = asyncio.Semaphore(2)
        self._decoy = ""

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`; takes as long for a user that does not exist (None)."""
        if not self._decoy:
            self._decoy = await self.hash(secrets.token_hex(8))
        async with self._turns:
            fits = await asyncio.to_thread(self._verify, stored or self._decoy, password[:LONGEST])
        return fits and stored is not None

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def new_token() -> str:
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """Something a person can type: four groups of four letters and digits, without look-alikes (about 79 bits)."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def digest(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
