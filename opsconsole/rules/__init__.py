"""Rules in Prometheus' format: `loading` reads them, `evaluation` turns their queries into samples and verdicts."""

from opsconsole.rules.evaluation import GroupEvaluator
from opsconsole.rules.groups import AlertingRule, RecordingRule, RuleGroup

__all__ = ["AlertingRule", "GroupEvaluator", "RecordingRule", "RuleGroup"]
