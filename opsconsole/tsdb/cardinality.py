"""What made a deployment's series so many: the metric that has most of them, and the label that tells most of those apart."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from opsconsole.model import Labels


class Culprit(NamedTuple):
    """`series` of `metric`, of whose labels `label` has the most distinct `values`."""

    metric: str
    series: int
    label: str
    values: int

    def __str__(self) -> str:
        by = f", its label {self.label} {self.values:,} values" if self.label else ""
        return f"{self.metric} has {self.series:,} of them{by}"


def culprit(series: Iterable[Labels]) -> Culprit:
    """Of the series of one deployment, of which there is one at least."""
    by_metric: defaultdict[str, list[Labels]] = defaultdict(list)
    for labels in series:
        by_metric[labels.get("__name__", "")].append(labels)
    metric, largest = max(by_metric.items(), key=lambda one: len(one[1]))
    values: defaultdict[str, set[str]] = defaultdict(set)
    for labels in largest:
        for name, value in labels.pairs:
            values[name].add(value)
    del values["__name__"]
    distinct = Counter({name: len(of) for name, of in values.items()})
    label, count = distinct.most_common(1)[0] if distinct else ("", 0)
    return Culprit(metric, len(largest), label, count)
