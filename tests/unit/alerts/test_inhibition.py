"""Inhibition."""

from typing import Any

from opsconsole.alerts.inhibition import Inhibitor
from opsconsole.alerts.settings import InhibitRule
from opsconsole.model import Labels

RULE: dict[str, Any] = {
    "source_matchers": ["severity=critical"],
    "target_match": {"severity": "warning"},
    "equal": ["dc", "rack"],
}


def muted(target: Labels, *firing: Labels, **rule: Any) -> bool:
    return Inhibitor([InhibitRule.model_validate({**RULE, **rule})], firing).source_of(target) is not None


def test_a_source_mutes_a_target_that_agrees() -> None:
    target = Labels(severity="warning", dc="1")
    assert muted(target, Labels(severity="critical", dc="1"))
    assert not muted(target, Labels(severity="critical", dc="2"))
    assert not muted(target, Labels(severity="info", dc="1"))


def test_a_label_missing_on_both_sides_is_equal_and_on_one_is_not() -> None:
    assert muted(Labels(severity="warning"), Labels(severity="critical"))
    assert not muted(Labels(severity="warning", rack="1"), Labels(severity="critical"))


def test_what_fits_both_sides_is_not_muted_by_its_like_nor_by_itself() -> None:
    both = {
        "source_matchers": ["severity=~warning|critical"],
        "target_match": {},
        "target_matchers": ["severity=~warning|critical"],
    }
    one = Labels(severity="warning", dc="1")
    assert not muted(one, one, Labels(severity="critical", dc="1"), **both)


def test_without_rules_nothing_is_muted() -> None:
    assert Inhibitor([], [Labels(severity="critical")]).source_of(Labels(severity="warning")) is None
