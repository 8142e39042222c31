"""A mail server as tests meet it: the demo's stand-in."""

from opsconsole.demo.mail_standin import Mail, MailStandin

__all__ = ["Mail", "MailStandin"]
