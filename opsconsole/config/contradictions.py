"""What no single section can know: names that nobody has, deployments that cannot be told apart."""

from collections.abc import Iterator, Sequence

from opsconsole.alerts.settings import intervals_named, receivers_named
from opsconsole.collectors.settings import Deployment
from opsconsole.collectors.statsd_settings import StatsdSender, confused
from opsconsole.config.sections import Config
from opsconsole.documents import Document
from opsconsole.notify.settings import problems as receiver_problems
from opsconsole.slas.settings import twice
from opsconsole.web.settings import refusal


def contradictions(document: Document, config: Config) -> Iterator[str]:
    """What no single section can know."""
    if reason := refusal(config.server, config.auth):
        yield document.problem(("auth", "mode"), reason)
    names = [deployment.name for deployment in config.deployments]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield document.problem(("deployments", index, "name"), f"two deployments are called {name!r}")
    if repeated := twice(config.slas):
        yield document.problem(("slas",), f"two SLAs of one deployment are called {repeated!r}")
    yield from _unknown_deployments(document, config, set(names))
    yield from _unknown_receivers(document, config)
    yield from _unknown_intervals(document, config)
    yield from _statsd_contradictions(document, config)


def _unknown_deployments(document: Document, config: Config, names: set[str]) -> Iterator[str]:
    for index, sla in enumerate(config.slas):
        if sla.deployment not in names:
            yield document.problem(("slas", index, "deployment"), f"there is no deployment {sla.deployment!r}")
    for index, check in enumerate(config.heartbeats.checks):
        if check.deployment and check.deployment not in names:
            yield document.problem(("heartbeats", "checks", index, "deployment"), f"there is no deployment {check.deployment!r}")


def _unknown_receivers(document: Document, config: Config) -> Iterator[str]:
    receivers = [receiver.name for receiver in config.alerting.receivers]
    for place, message in receiver_problems(list(config.alerting.receivers)):
        yield document.problem(("alerting", "receivers", *place), message)
    for place, name in receivers_named(config.alerting.route, ("alerting", "route")):
        if name not in receivers:
            yield document.problem(place, f"there is no receiver {name!r}")
    if config.alerting.receivers and config.alerting.route.receiver is None:
        yield document.problem(("alerting",), "route.receiver is missing: the first route names the receiver of everything else")


def _unknown_intervals(document: Document, config: Config) -> Iterator[str]:
    known = {intervals.name for intervals in config.alerting.time_intervals}
    for place, name in intervals_named(config.alerting.route, ("alerting", "route")):
        if name not in known:
            yield document.problem(place, f"there is no time interval {name!r}")


def statsd_senders(deployments: Sequence[Deployment]) -> list[StatsdSender]:
    """How each deployment's datagrams are known. One alone without a prefix of its own has Airflow's default, `airflow`."""
    claimed = {one.statsd_prefix for one in deployments if one.statsd.listen is None}
    unnamed = [one.name for one in deployments if one.statsd.listen is None and one.statsd_prefix is None]
    default = "airflow" if len(unnamed) == 1 and "airflow" not in claimed else None
    return [
        StatsdSender(one.name, prefix or "airflow", one.statsd.listen, one.statsd.timer_unit_consistency)
        for one in deployments
        if (prefix := one.statsd_prefix or default) or one.statsd.listen
    ]


def _statsd_contradictions(document: Document, config: Config) -> Iterator[str]:
    names = [one.name for one in config.deployments]
    for group in confused(statsd_senders(config.deployments)):
        place = ("deployments", names.index(group[-1]), "statsd_prefix")
        them = " and ".join(map(repr, group))
        yield document.problem(
            place, f"{them} send StatsD that cannot be told apart: give each a statsd_prefix or a statsd.listen of its own"
        )
