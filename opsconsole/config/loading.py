"""Reading a configuration: the file, and the files that it names."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_data_path

from opsconsole import documents
from opsconsole.collectors.statsd import mappings
from opsconsole.config import alertmanager
from opsconsole.config.contradictions import contradictions
from opsconsole.config.files import dashboard_files, database_url, rule_files
from opsconsole.config.sections import Config
from opsconsole.config.validation import placed, validated
from opsconsole.dashboards import loading as dashboards
from opsconsole.dashboards.model import Dashboard
from opsconsole.documents import Document
from opsconsole.model import ConfigError
from opsconsole.rules import loading as rules

T = TypeVar("T")
DEFAULT_FILE = "opsconsole.yaml"


@dataclass(frozen=True)
class Loaded:
    """A configuration that holds together, with the files that it names already read; `document` knows its lines."""

    config: Config
    folder: Path
    database_url: str
    rule_groups: tuple[rules.RuleGroup, ...]
    dashboards: tuple[Dashboard, ...]
    document: Document = field(repr=False)
    warnings: tuple[str, ...] = ()
    """What of the files could not be taken over, as `file:line: warning: message` lines."""

    def without_statsd(self) -> "Loaded":
        """The same without the StatsD address that deployments share."""
        statsd = self.config.listeners.statsd.model_copy(update={"listen": None})
        listeners = self.config.listeners.model_copy(update={"statsd": statsd})
        return replace(self, config=self.config.model_copy(update={"listeners": listeners}))


def load(path: Path | None, environment: Mapping[str, str] | None = None, *, listen: str | None = None) -> Loaded:
    """Read and check the file (None: `./opsconsole.yaml` where there is one, else the defaults).

    Raises ConfigError with every problem of the file and of the rule and dashboard files it names.
    """
    if path is None and Path(DEFAULT_FILE).is_file():
        path = Path(DEFAULT_FILE)
    if path is None:
        return built_in(listen=listen)
    document = documents.read(path)
    return from_document(_listening(document, listen), path.absolute().parent, os.environ if environment is None else environment)


def built_in(*, listen: str | None = None, **sections: Any) -> Loaded:
    """The defaults, with `sections` given as the file would give them; data in the user's data folder."""
    folder = user_data_path("opsconsole", ensure_exists=True)
    return from_document(_listening(Document("(command line)", sections, {}), listen), folder, {})


def _listening(document: Document, listen: str | None) -> Document:
    """The document with `server.listen` as the command line gave it."""
    value = document.value or {}
    if listen is None or not isinstance(value, dict):
        return document
    server = value.get("server") or {}
    if not isinstance(server, dict):
        return document
    return replace(document, value={**value, "server": {**server, "listen": listen}})


def from_document(document: Document, folder: Path, environment: Mapping[str, str]) -> Loaded:
    """Check a parsed document. Raises ConfigError with every problem."""
    problems: list[str] = []
    config = placed(validated(document, folder, environment, problems), folder)
    config, warnings = _imported(config, problems)
    if not problems:  # what sections say of each other means nothing while one of them is not understood
        problems += contradictions(document, config)
    interval, compat = config.rules.evaluation_interval, config.storage.metrics.promql_compat
    groups = _collected(problems, lambda: rules.load(rule_files(config, folder, document, problems), interval, compat))
    panels = _collected(problems, lambda: dashboards.load(dashboard_files(config, folder, document, problems), compat))
    _collected(problems, lambda: mappings(config.listeners.statsd))
    database = _collected(problems, lambda: database_url(config.storage.url, folder, document))
    if problems:
        raise ConfigError(problems)
    return Loaded(config, folder, database or "", tuple(groups or ()), tuple(panels or ()), document, warnings)


def _imported(config: Config, problems: list[str]) -> tuple[Config, tuple[str, ...]]:
    """With the alerting of the Alertmanager configuration that it names, if it does; and what of that is not taken over."""
    path = config.alerting.config_file
    found = None if path is None else _collected(problems, lambda: alertmanager.load(path))
    if found is None:
        return config, ()
    return config.model_copy(update={"alerting": config.alerting.with_file(found.settings)}), found.warnings


def _collected(problems: list[str], ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except ConfigError as error:
        problems += error.problems
        return None
