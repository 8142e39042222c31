from pathlib import Path

from opsconsole.config import Loaded, from_document
from opsconsole.documents import Document
from opsconsole.model import ConfigError
from opsconsole.service import Orders, _scopes


def configuration(**sections: object) -> Loaded:
    return from_document(Document("(test)", {"rules": {"files": []}, "dashboards": {"paths": []}, **sections}, {}), Path("/"), {})


def broken() -> Loaded:
    raise ConfigError(["opsconsole.yaml:1: no"])


def test_a_bad_configuration_changes_nothing_and_is_told() -> None:
    orders = Orders()
    assert orders.reload(broken) == ["opsconsole.yaml:1: no"]
    assert (orders.following, orders.end.is_set()) == (None, False)


def test_a_good_one_ends_this_generation_and_follows_it() -> None:
    orders, loaded = Orders(), configuration()
    assert orders.reload(lambda: loaded) == []
    assert (orders.following, orders.end.is_set(), orders.stopped) == (loaded, True, False)


def test_a_stop_after_a_reload_is_not_forgotten() -> None:
    orders = Orders()
    orders.reload(configuration)
    orders.stop()
    assert orders.stopped


def test_every_deployment_can_still_give_verdicts_and_one_that_is_gone_cannot() -> None:
    scopes = _scopes(configuration(deployments=[{"name": "prod", "url": "http://h"}]))
    assert scopes == {"heartbeats", "posted", "failures/prod", "slas/prod"}
