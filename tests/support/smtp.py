"""A mail server as tests meet it: the demo's stand-in, and one that asks for TLS and a login."""

import asyncio
import ssl
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from opsconsole.clock import Clock
from opsconsole.demo.mail_standin import Mail, MailStandin
from tests.support.servers import TLS

__all__ = ["Mail", "MailStandin", "SecureMailStandin"]

LOGIN = ("ops", "a-mail-password-for-tests")


class SecureMailStandin(MailStandin):
    """Takes mail only after STARTTLS (with a self-signed certificate), and only from those who log in, where they have to."""

    def __init__(self, clock: Clock, *, login: bool = True, tls: bool = True) -> None:
        super().__init__(clock)
        self._login, self._tls = login, tls
        self.logins: list[tuple[str, bool]] = []
        """Who tried to log in, and whether over TLS."""

    async def __aenter__(self) -> "SecureMailStandin":
        loop = asyncio.get_running_loop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")

        def met() -> SMTP:
            return SMTP(
                self,
                loop=loop,
                ident="mail stand-in",
                tls_context=context if self._tls else None,
                require_starttls=self._tls,
                authenticator=self._authenticated,
                auth_required=self._login,
                auth_require_tls=self._tls,
            )

        self._server = await loop.create_server(met, self._host, 0)
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self

    def _authenticated(self, _server: Any, session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login.decode(), session.ssl is not None))
        return AuthResult(success=(data.login.decode(), data.password.decode()) == LOGIN, handled=False)
