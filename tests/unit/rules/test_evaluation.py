"""A rule group's step: queries become samples and verdicts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsconsole import documents
from opsconsole.clock import millis
from opsconsole.model import (
    STALE_NAN_BITS,
    Alert,
    AlertState,
    Block,
    Labels,
    Matcher,
    MatchOp,
    Point,
    QueryError,
    QueryResult,
    Sample,
    Verdict,
)
from opsconsole.promql import Engine
from opsconsole.rules import GroupEvaluator, loading
from opsconsole.rules.memory import MemorySource
from opsconsole.telemetry import Telemetry
from tests.support.clock import NOON, FakeClock


@dataclass
class Bench:
    """A group on an engine over samples in memory, and what it said."""

    text: str
    source: MemorySource = field(default_factory=MemorySource)
    verdicts: list[Verdict] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=Telemetry)
    states: dict[Labels, AlertState] = field(default_factory=dict)
    since: datetime = NOON

    def __post_init__(self) -> None:
        self.restarted()

    def restarted(self) -> None:
        """A new process over the same samples."""
        (group,) = loading.parse(documents.parse(self.text, "rules.yaml"), "rules")
        engine, clock = Engine(self.source, FakeClock()), FakeClock()
        self.evaluator = GroupEvaluator(
            group,
            engine,
            self.source.append_block,
            self.take,
            lambda scope: {labels: Alert(labels, scope, state, self.since) for labels, state in self.states.items()},
            clock=clock,
            telemetry=self.telemetry,
            succeeds=True,
        )

    async def take(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.states = {finding.labels: AlertState.PENDING for finding in verdict.findings} | {
            labels: AlertState.FIRING for labels in self.states if labels in {finding.labels for finding in verdict.findings}
        }

    def given(self, name: str, value: float, labels: Mapping[str, str] | None = None, at: datetime = NOON) -> None:
        self.source.append([Sample.of(name, value, at, labels)])

    def failures(self, rule: str) -> float | None:
        return self.telemetry.registry.get_sample_value(
            "opsconsole_rule_evaluation_failures_total", {"group": "rules;g", "rule": rule}
        )


def _forgotten(block: Block) -> None:
    """Records nothing."""


def group(*rules: str, limit: int = 0) -> str:
    return f"groups:\n- name: g\n  limit: {limit}\n  rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


async def test_a_finding_has_the_labels_of_the_series_and_the_rule() -> None:
    bench = Bench(
        group(
            "{alert: Down, expr: up == 0, for: 30s, keep_firing_for: 1m, "
            "labels: {severity: high, where: 'at {{ $labels.job }}'}, "
            "annotations: {summary: '{{ $labels.job }} is {{ $value }}'}}"
        )
    )
    bench.given("up", 0, {"job": "a"})
    bench.given("up", 1, {"job": "b"})
    await bench.evaluator.step(NOON)
    ((finding,), verdict) = (bench.verdicts[0].findings, bench.verdicts[0])
    assert (verdict.scope, verdict.at) == ("rules/rules;g;Down", NOON)
    assert finding.labels == Labels(alertname="Down", severity="high", where="at a", job="a")
    assert finding.annotations == {"summary": "a is 0"}
    assert (finding.value, finding.pending_for, finding.keep_firing_for) == (0.0, timedelta(seconds=30), timedelta(minutes=1))


async def test_nothing_wrong_is_a_verdict_too() -> None:
    bench = Bench(group("{alert: Down, expr: up == 0}"))
    await bench.evaluator.step(NOON)
    assert [verdict.findings for verdict in bench.verdicts] == [()]


async def test_a_scalar_can_alert() -> None:
    bench = Bench(group("{alert: Always, expr: 1}"))
    await bench.evaluator.step(NOON)
    assert [finding.labels for finding in bench.verdicts[0].findings] == [Labels(alertname="Always")]


async def test_a_recorded_sample_is_seen_by_the_next_rule_of_the_group() -> None:
    bench = Bench(group("{record: 'job:up', expr: sum by (job) (up), labels: {x: y}}", "{alert: Low, expr: 'job:up < 2'}"))
    bench.given("up", 1, {"job": "a", "instance": "1"})
    await bench.evaluator.step(NOON)
    assert [finding.labels for finding in bench.verdicts[0].findings] == [Labels(alertname="Low", job="a", x="y")]


async def test_a_recorded_series_whose_result_ends_becomes_stale() -> None:
    bench = Bench(group("{record: high, expr: up > 5}"))
    bench.given("up", 6)
    await bench.evaluator.step(NOON)
    bench.given("up", 1, at=NOON + timedelta(seconds=15))
    await bench.evaluator.step(NOON + timedelta(seconds=15))
    (series,) = await bench.source.select([Matcher("__name__", MatchOp.EQUAL, "high")], millis(NOON), millis(NOON) + 20_000)
    assert series.values.view("int64").tolist() == [0x4018000000000000, STALE_NAN_BITS]


async def test_what_a_killed_process_recorded_ends_with_the_result_and_no_other_series_does() -> None:
    bench = Bench(group("{record: high, expr: up > 5, labels: {x: y}}", "{alert: High, expr: high}"))
    bench.given("up", 6)
    await bench.evaluator.step(NOON)
    later = NOON + timedelta(seconds=15)
    bench.restarted()
    bench.given("up", 1, at=later)
    bench.given("high", 7, {"x": "somebody else's"}, at=later)
    await bench.evaluator.step(later)
    assert [[finding.labels["x"] for finding in verdict.findings] for verdict in bench.verdicts] == [["y"], ["somebody else's"]]


async def test_what_waits_and_what_fires_is_a_series_as_in_prometheus() -> None:
    bench = Bench(group("{alert: Down, expr: up == 0, labels: {severity: high}}"))
    for seconds, up in enumerate([0, 0, 1]):
        now = NOON + timedelta(seconds=seconds)
        bench.given("up", up, {"job": "a"}, at=now)
        await bench.evaluator.step(now)
    found = await bench.source.select([Matcher("__name__", MatchOp.EQUAL, "ALERTS")], millis(NOON), millis(NOON) + 2000)
    one = Labels(__name__="ALERTS", alertname="Down", job="a", severity="high")
    [since] = await bench.source.select(
        [Matcher("__name__", MatchOp.EQUAL, "ALERTS_FOR_STATE")], millis(NOON), millis(NOON) + 2000
    )
    assert since.labels == one.merged({"__name__": "ALERTS_FOR_STATE"})
    assert (since.timestamps[0], since.values[0]) == (millis(NOON), NOON.timestamp())
    bits = {
        series.labels: dict(zip(series.timestamps.tolist(), series.values.view("int64").tolist(), strict=True))
        for series in found
    }
    says, noon = 0x3FF0000000000000, millis(NOON)
    assert bits == {
        one.merged({"alertstate": "pending"}): {noon: says, noon + 1000: STALE_NAN_BITS},
        one.merged({"alertstate": "firing"}): {noon + 1000: says, noon + 2000: STALE_NAN_BITS},
    }


async def test_a_rule_knows_whether_its_own_alert_fires() -> None:
    bench = Bench(group("""{alert: Kept, expr: 'up == 0 or up and on () ALERTS{alertname="Kept", alertstate="firing"}'}"""))
    for seconds, up in enumerate([0, 1, 0, 0, 1, 1]):
        now = NOON + timedelta(seconds=seconds)
        bench.given("up", up, at=now)
        await bench.evaluator.step(now)
    assert [len(verdict.findings) for verdict in bench.verdicts] == [1, 0, 1, 1, 1, 1]


async def test_a_rule_that_fails_gives_no_verdict_and_holds_up_nobody() -> None:
    bench = Bench(group("{alert: Broken, expr: up * on () group_left () up}", "{alert: Fine, expr: up}"))
    bench.given("up", 1, {"job": "a"})
    bench.given("up", 1, {"job": "b"})
    await bench.evaluator.step(NOON)
    assert [verdict.scope for verdict in bench.verdicts] == ["rules/rules;g;Fine"]
    assert bench.failures("Broken") == 1


async def test_two_results_that_become_one_are_a_failure() -> None:
    bench = Bench(group("{alert: Same, expr: up, labels: {job: same}}", "{record: r, expr: up, labels: {job: same}}"))
    bench.given("up", 1, {"job": "a"})
    bench.given("up", 1, {"job": "b"})
    await bench.evaluator.step(NOON)
    assert (bench.verdicts, bench.failures("Same"), bench.failures("r")) == ([], 1, 1)


async def test_a_group_with_an_offset_looks_back_and_stamps_what_it_records_so() -> None:
    offset = timedelta(minutes=1)
    text = group("{record: 'job:up', expr: up}", "{alert: Down, expr: up == 0}").replace("limit: 0", "query_offset: 1m")
    bench = Bench(text)
    bench.given("up", 0, at=NOON - offset)
    bench.given("up", 1)
    await bench.evaluator.step(NOON)
    (series,) = await bench.source.select([Matcher("__name__", MatchOp.EQUAL, "job:up")], 0, millis(NOON))
    assert (series.timestamps.tolist(), series.values.tolist()) == ([millis(NOON - offset)], [0.0])
    assert [(verdict.at, len(verdict.findings)) for verdict in bench.verdicts] == [(NOON, 1)]


async def test_more_results_than_the_limit_are_a_failure() -> None:
    bench = Bench(group("{alert: Many, expr: up}", limit=1))
    bench.given("up", 1, {"job": "a"})
    await bench.evaluator.step(NOON)
    bench.given("up", 1, {"job": "b"})
    await bench.evaluator.step(NOON)
    assert (len(bench.verdicts), bench.failures("Many")) == (1, 1)


async def test_a_template_may_query() -> None:
    bench = Bench(group("""{alert: A, expr: up, annotations: {a: '{{ query "beat" | first | value | humanizeTimestamp }}'}}"""))
    bench.given("up", 0)
    bench.given("beat", 60)
    await bench.evaluator.step(NOON)
    assert bench.verdicts[0].findings[0].annotations == {"a": "1970-01-01 00:01:00 +0000 UTC"}


async def test_a_template_that_goes_wrong_says_so_and_the_alert_stays() -> None:
    bench = Bench(group("""{alert: A, expr: up, annotations: {a: '{{ query "(" }}', b: '{{ query "gone" | first }}', c: ok}}"""))
    bench.given("up", 0)
    await bench.evaluator.step(NOON)
    annotations = bench.verdicts[0].findings[0].annotations
    assert annotations["a"].startswith("<error expanding template: ")
    assert annotations["b"].startswith("<error expanding template: ")
    assert (annotations["c"], bench.failures("A")) == ("ok", 2)


async def test_a_template_that_asks_without_end_is_stopped() -> None:
    bench = Bench(
        group(
            '{alert: A, expr: up, annotations: {a: \'{{ $x := "up" }}{{ range query "up" }}'
            + '{{ $x = print $x "+up" }}{{ query $x }}' * 30
            + "{{ end }}'}}"
        )
    )
    bench.given("up", 0)
    await bench.evaluator.step(NOON)
    assert "queries" in bench.verdicts[0].findings[0].annotations["a"]


async def test_a_cluster_that_answers_nonsense_is_a_failure() -> None:
    class Cluster:
        async def instant(self, expr: str, at: datetime) -> QueryResult:
            if expr == "up":
                raise QueryError("the cluster is away")
            return QueryResult("string", text="x")

        async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
            return QueryResult("vector", [Point(Labels(), 0, math.nan)])

    bench = Bench(group("{alert: A, expr: up}", "{alert: B, expr: up > 0}"))
    (rules,) = loading.parse(documents.parse(bench.text, "rules.yaml"), "rules")
    evaluator = GroupEvaluator(rules, Cluster(), _forgotten, bench.take, clock=FakeClock(), telemetry=bench.telemetry)
    await evaluator.step(NOON)
    assert (bench.verdicts, bench.failures("A"), bench.failures("B")) == ([], 1, 1)


async def test_metrics_that_are_away_are_no_fault_of_a_rule() -> None:
    class Away:
        async def instant(self, expr: str, at: datetime) -> QueryResult:
            raise QueryError("the metrics cluster does not answer", "unavailable")

        async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
            raise QueryError("the metrics cluster does not answer", "unavailable")

    bench = Bench(group("{alert: A, expr: up}", "{record: b, expr: up}"))
    (rules,) = loading.parse(documents.parse(bench.text, "rules.yaml"), "rules")
    evaluator = GroupEvaluator(rules, Away(), _forgotten, bench.take, clock=FakeClock(), telemetry=bench.telemetry)
    await evaluator.step(NOON)
    assert (bench.verdicts, bench.failures("A"), bench.failures("b")) == ([], None, None)
    assert set(evaluator.failing.values()) == {"the metrics cluster does not answer"}


async def test_what_was_recorded_settles_before_a_rule_that_names_it_and_no_other() -> None:
    bench, asked = Bench(group("{record: a, expr: up}", "{record: c, expr: down}", "{alert: B, expr: a > 0}")), list[str]()

    class Listening:
        async def instant(self, expr: str, at: datetime) -> QueryResult:
            asked.append(expr)
            return QueryResult("vector")

        async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
            raise NotImplementedError

    async def settle() -> None:
        asked.append("(settled)")

    (rules,) = loading.parse(documents.parse(bench.text.replace("down", "x"), "rules.yaml"), "rules")
    evaluator = GroupEvaluator(
        rules, Listening(), _forgotten, bench.take, clock=FakeClock(), telemetry=bench.telemetry, settle=settle
    )
    await evaluator.step(NOON)
    assert asked == ["up", "x", "(settled)", "a > 0"]
