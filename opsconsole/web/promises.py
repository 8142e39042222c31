"""SLAs as pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass

from opsconsole.model import Status
from opsconsole.slas.state import DagSla, SlaState

_STATUS = {
    SlaState.MISSED: Status.DOWN,
    SlaState.AT_RISK: Status.DEGRADED,
    SlaState.UNKNOWN: Status.UNKNOWN,
    SlaState.MET: Status.OK,
}
_RANK = list(_STATUS)


@dataclass(frozen=True, slots=True)
class SlaLine:
    """How one SLA stands for one Dag now: its worst promise, with the reason in words."""

    name: str
    deployment: str
    dag_id: str
    kinds: tuple[str, ...]
    state: SlaState
    words: str
    owners: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        return _STATUS[self.state]


def ordered(standing: Iterable[DagSla]) -> list[SlaLine]:
    """The worst first."""
    lines = [_line(one) for one in standing]
    return sorted(lines, key=lambda line: (_RANK.index(line.state), line.name, line.deployment, line.dag_id))


def _line(one: DagSla) -> SlaLine:
    kinds = tuple(judgement.kind.value.replace("_", " ") for judgement in one.judgements)
    return SlaLine(one.sla, one.deployment, one.dag_id, kinds, one.state, one.reason, one.owners)
