"""The sections of the configuration file: every stage's settings composed."""

from datetime import timedelta
from typing import Literal

from opsconsole.alerts.settings import Alerting as AlertingSettings
from opsconsole.collectors.settings import Deployment
from opsconsole.collectors.statsd_settings import StatsdSettings
from opsconsole.dashboards.settings import DashboardSettings
from opsconsole.heartbeats.settings import Settings as Heartbeats
from opsconsole.notify.settings import Receiver
from opsconsole.rules.settings import RuleSettings
from opsconsole.settings import Duration, Settings
from opsconsole.slas.settings import Sla
from opsconsole.web.settings import AuthSettings, ServerSettings


class Retention(Settings):
    metrics: Duration = timedelta(days=30)
    runs: Duration = timedelta(days=180)
    alerts: Duration = timedelta(days=365)


class MetricsEngine(Settings):
    engine: Literal["embedded"] = "embedded"
    promql_compat: Literal[2, 3] = 3


class Storage(Settings):
    """`url` is SQLAlchemy's; a relative SQLite file stands beside the configuration file."""

    url: str = "sqlite:///opsconsole.db"
    retention: Retention = Retention()
    metrics: MetricsEngine = MetricsEngine()


class Listeners(Settings):
    statsd: StatsdSettings = StatsdSettings()


class Alerting(AlertingSettings):
    receivers: tuple[Receiver, ...] = ()


class Config(Settings):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    storage: Storage = Storage()
    auth: AuthSettings = AuthSettings()
    listeners: Listeners = Listeners()
    deployments: tuple[Deployment, ...] = ()
    heartbeats: Heartbeats = Heartbeats()
    slas: tuple[Sla, ...] = ()
    rules: RuleSettings = RuleSettings()
    dashboards: DashboardSettings = DashboardSettings()
    alerting: Alerting = Alerting()
