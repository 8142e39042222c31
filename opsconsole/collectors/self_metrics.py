"""The console's own metrics as samples, so that rules and dashboards read `opsconsole_*` like any other series."""

from datetime import datetime

from prometheus_client import CollectorRegistry

from opsconsole.model import Labels, Sample


class SelfMetrics:
    """Reads a registry as a scrape of `/metrics` would; creation times (`_created`) are left out, as Prometheus does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def collect(self, now: datetime) -> list[Sample]:
        return [
            Sample(sample.name, float(sample.value), now, Labels(sample.labels))
            for metric in self._registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        ]
