"""The console's own metrics as samples."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from opsconsole.collectors.self_metrics import SelfMetrics
from opsconsole.model import Sample
from opsconsole.telemetry import Telemetry
from tests.support.clock import NOON


async def collected(registry: CollectorRegistry) -> dict[str, float]:
    return {f"{s.name}{s.labels}": s.value for s in await SelfMetrics(registry).collect(NOON)}


async def test_a_counter_has_its_total_and_no_creation_time() -> None:
    registry = CollectorRegistry()
    Counter("opsconsole_pings", "Pings.", ["kind"], registry=registry).labels("success").inc(3)
    assert await SelfMetrics(registry).collect(NOON) == [Sample.of("opsconsole_pings_total", 3.0, NOON, {"kind": "success"})]


async def test_a_gauge_has_its_value() -> None:
    registry = CollectorRegistry()
    Gauge("opsconsole_waiting", "Waiting.", registry=registry).set(-2.5)
    assert await collected(registry) == {"opsconsole_waiting{}": -2.5}


async def test_a_histogram_has_cumulative_buckets_a_sum_and_a_count() -> None:
    registry = CollectorRegistry()
    took = Histogram("opsconsole_step_seconds", "Step.", registry=registry, buckets=(0.5, 1.0))
    took.observe(0.25)
    took.observe(0.75)
    assert await collected(registry) == {
        'opsconsole_step_seconds_bucket{le="0.5"}': 1.0,
        'opsconsole_step_seconds_bucket{le="1.0"}': 2.0,
        'opsconsole_step_seconds_bucket{le="+Inf"}': 2.0,
        "opsconsole_step_seconds_count{}": 2.0,
        "opsconsole_step_seconds_sum{}": 1.0,
    }


async def test_the_build_is_a_series() -> None:
    telemetry = Telemetry()
    assert [
        value for series, value in (await collected(telemetry.registry)).items() if series.startswith("opsconsole_build_info")
    ] == [1.0]
