"""The configuration file: every stage's settings composed, and every mistake told as `file:line: message`."""

from opsconsole.config.contradictions import statsd_senders
from opsconsole.config.loading import Loaded, built_in, from_document, load
from opsconsole.config.notes import notes
from opsconsole.config.sections import Alerting, Config, Listeners, Retention, Storage

__all__ = [
    "Alerting",
    "Config",
    "Listeners",
    "Loaded",
    "Retention",
    "Storage",
    "built_in",
    "from_document",
    "load",
    "notes",
    "statsd_senders",
]
