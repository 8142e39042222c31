"""The sections of the configuration file: every stage's settings composed."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from opsconsole import promql
from opsconsole.alerts.settings import Alerting as AlertingSettings
from opsconsole.cluster.settings import Settings as ClusterSettings
from opsconsole.collectors.settings import Deployment
from opsconsole.collectors.statsd_settings import StatsdSettings
from opsconsole.dashboards.settings import DashboardSettings
from opsconsole.heartbeats.settings import Settings as Heartbeats
from opsconsole.notify.settings import Receiver
from opsconsole.rules.settings import RuleSettings
from opsconsole.settings import Duration, Settings, Size
from opsconsole.slas.settings import Sla
from opsconsole.web.settings import AuthSettings, ServerSettings


class Retention(Settings):
    """`metrics_size`: bytes of metrics to keep, of which the oldest go first; 0 for no limit."""

    metrics: Duration = timedelta(days=30)
    metrics_size: Size = Field(default=0, ge=0)
    runs: Duration = timedelta(days=180)
    alerts: Duration = timedelta(days=365)


class MetricsEngine(ClusterSettings):
    """`prometheus` is a Prometheus-compatible cluster, which the other keys say how to reach; it has a PromQL of its own."""

    engine: Literal["embedded", "prometheus"] = "embedded"
    promql_compat: Literal[2, 3] = 3
    promql_delayed_name_removal: bool = True
    query: promql.Limits = promql.Limits()
    max_series_per_deployment: int = Field(default=250_000, ge=0)
    max_deployments: int = Field(default=1000, ge=1)
    max_pending_samples: int = Field(default=2_000_000, ge=1000)

    @model_validator(mode="after")
    def _one_engine(self) -> "MetricsEngine":
        own = self.model_fields_set & {"promql_compat", "promql_delayed_name_removal"}
        bounds = self.model_fields_set & {"query", "max_series_per_deployment", "max_deployments", "max_pending_samples"}
        given = self.model_fields_set - {"engine"} - bounds - own
        if self.engine == "embedded" and given:
            raise ValueError(f"{min(given)} goes with engine: prometheus")
        if self.engine == "prometheus" and self.query_url is None:
            raise ValueError("engine: prometheus needs query_url, such as http://127.0.0.1:9090")
        if self.engine == "prometheus" and own:
            raise ValueError(f"{min(own)} goes with engine: embedded; a cluster has its own PromQL")
        if self.engine == "prometheus" and bounds:
            raise ValueError(f"{min(bounds)} goes with engine: embedded; a cluster has limits of its own")
        if self.promql_compat == 2 and self.promql_delayed_name_removal and "promql_delayed_name_removal" in own:
            raise ValueError("promql_delayed_name_removal goes with promql_compat: 3")
        return self


class Storage(Settings):
    """`url` is SQLAlchemy's; a relative SQLite file stands beside the configuration file."""

    url: str = "sqlite:///opsconsole.db"
    retention: Retention = Retention()
    metrics: MetricsEngine = MetricsEngine()


class Listeners(Settings):
    statsd: StatsdSettings = StatsdSettings()


class Alerting(AlertingSettings):
    """`config_file` is an existing Alertmanager configuration, instead of the keys that such a file has."""

    config_file: Path | None = None
    receivers: tuple[Receiver, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> "Alerting":
        own = self.model_fields_set & {"global_", "route", "inhibit_rules", "time_intervals", "receivers"}
        if self.config_file is not None and own:
            raise ValueError(f"{min(own).rstrip('_')} goes without config_file: its file has that")
        return self

    def with_file(self, settings: Mapping[str, Any]) -> "Alerting":
        """With what the file says, and with Alertmanager's ways where nothing else is said here."""
        own = {key for key in ("resolve_wait", "tell_muted_ends") if key in self.model_fields_set}
        return self.model_copy(update={key: value for key, value in settings.items() if key not in own})


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
