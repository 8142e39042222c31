"""The route tree."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from opsconsole.alerts.routing import Node, build, longest_wait, routes_of
from opsconsole.alerts.settings import Alerting, receivers_named
from opsconsole.model import Labels

TREE: dict[str, Any] = {
    "receiver": "default",
    "group_by": ["alertname"],
    "routes": [
        {"matchers": ["team=data"], "receiver": "data", "continue": True, "group_wait": "1s"},
        {"match": {"team": "data"}, "receiver": "audit", "group_by": ["..."]},
        {
            "match_re": {"severity": "high|critical"},
            "routes": [{"matchers": ['severity="critical"'], "receiver": "pager", "repeat_interval": "1h"}],
        },
        {"matchers": ["team=data"], "receiver": "never"},
    ],
}


def tree(route: dict[str, Any]) -> Node:
    return build(Alerting.model_validate({"route": route}))


def taken(**labels: str) -> list[str]:
    return [node.receiver for node in routes_of(tree(TREE), labels)]


def test_the_longest_wait_of_the_tree_may_stand_anywhere_in_it() -> None:
    assert longest_wait(Alerting.model_validate({"route": TREE})) == timedelta(seconds=5)
    deep = {"receiver": "a", "group_wait": "0s", "routes": [{"routes": [{"group_wait": "3m"}]}]}
    assert longest_wait(Alerting.model_validate({"route": deep})) == timedelta(minutes=3)


def test_the_deepest_fitting_routes_are_taken_and_continue_goes_on() -> None:
    assert taken(team="data") == ["data", "audit"]
    assert taken(severity="critical") == ["pager"]
    assert taken(severity="high") == ["default"]
    assert taken(severity="highest") == ["default"]
    assert taken() == ["default"]


def test_children_inherit_what_they_leave_out() -> None:
    data, audit = routes_of(tree(TREE), {"team": "data"})
    (pager,) = routes_of(tree(TREE), {"severity": "critical"})
    assert data.timers.group_wait == timedelta(seconds=1)
    assert audit.timers.group_wait == timedelta(seconds=5)
    assert pager.timers.repeat_interval == timedelta(hours=1)
    assert pager.group_by == ("alertname",)
    assert audit.group_by is None


def test_group_keys_are_alertmanagers() -> None:
    labels = Labels(alertname="A", severity="critical", team="data")
    (pager,) = routes_of(tree(TREE), {"severity": "critical"})
    assert pager.group_key(labels) == '{}/{severity=~"^(?:high|critical)$"}/{severity="critical"}:{alertname="A"}'


def test_routes_with_the_same_matchers_keep_their_groups_apart() -> None:
    keys = [node.key for node in routes_of(tree(TREE), {"team": "data"})]
    assert keys == ['{}/{team="data"}', '{}/{team="data"}#2']


def test_our_defaults_keep_two_dags_apart() -> None:
    root = build(Alerting())
    assert root.group_by == ("deployment", "alertname", "dag_id")
    assert root.group_labels(Labels(alertname="A", dag_id="x", task_id="t")) == Labels(alertname="A", dag_id="x")


def test_an_empty_group_by_is_one_group() -> None:
    assert tree({"receiver": "r", "group_by": []}).group_labels(Labels(alertname="A")) == Labels()


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ({"receiver": "r", "matchers": ["a=b"]}, "cannot have matchers"),
        ({"receiver": "r", "continue": True}, "cannot continue"),
        ({"receiver": "r", "group_by": ["a", "a"]}, "given twice"),
        ({"receiver": "r", "group_by": ["...", "a"]}, "stands alone"),
        ({"receiver": "r", "group_interval": "0s"}, "longer than zero"),
        ({"receiver": "r", "routes": [{"matchers": ["nonsense"]}]}, "not a matcher"),
        ({"receiver": "r", "routes": [{"match_re": {"a": "("}}]}, "not a regular expression"),
        ({"receiver": "r", "mute_time_intervals": ["x"]}, "never quiet"),
    ],
)
def test_mistakes_are_told(route: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Alerting.model_validate({"route": route})


def test_every_receiver_named_is_found_with_its_place() -> None:
    named = receivers_named(Alerting.model_validate({"route": TREE}).route)
    assert named[0] == (("route", "receiver"), "default")
    assert (("route", "routes", 2, "routes", 0, "receiver"), "pager") in named
