from opsconsole.alerts.inhibition import Inhibitor
from opsconsole.alerts.settings import Alerting
from opsconsole.model import Labels

DATABASE = Labels(alertname="AirflowMetadataDatabaseDown", deployment="prod", severity="critical")


def muted(**labels: str) -> bool:
    return Inhibitor(Alerting().inhibit_rules, [DATABASE]).source_of(Labels(labels)) is not None


def test_a_lost_database_speaks_for_the_components_that_need_it() -> None:
    assert muted(alertname="AirflowSchedulerDown", deployment="prod")
    assert muted(alertname="AirflowTriggererDown", deployment="prod")
    assert muted(alertname="AirflowDagProcessorDown", deployment="prod")


def test_it_speaks_for_the_canary_too() -> None:
    assert muted(alertname="HeartbeatMissed", deployment="prod", severity="critical", slug="canary")


def test_it_does_not_speak_for_another_deployment() -> None:
    assert not muted(alertname="AirflowSchedulerDown", deployment="staging")


def test_it_does_not_hide_failures_of_dags() -> None:
    assert not muted(alertname="AirflowTaskFailed", deployment="prod")
    assert not muted(alertname="HeartbeatMissed", deployment="prod", severity="high", slug="nightly-export")
    assert not muted(alertname="HeartbeatMissed", severity="critical", slug="of-no-deployment")
