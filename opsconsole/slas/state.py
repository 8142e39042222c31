"""How an SLA stands for a Dag."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


class Kind(enum.StrEnum):
    DEADLINE = "deadline"
    MAX_DURATION = "max_duration"
    MAX_START_DELAY = "max_start_delay"
    FRESHNESS = "freshness"


class SlaState(enum.StrEnum):
    """Worst first. Unknown is worse than met: what cannot be told is not fine."""

    MISSED = "missed"
    AT_RISK = "at risk"
    UNKNOWN = "unknown"
    MET = "met"


_ORDER = list(SlaState)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One promise of an SLA for one Dag, with its reason in words.

    `since` is when a missed one was missed. `live` says that it still is: a run that took too long and ended is missed, but
    no longer to be alerted. `run_id` names the run that it is about.
    """

    kind: Kind
    state: SlaState
    reason: str
    since: datetime | None = None
    live: bool = False
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class DagSla:
    """An SLA × a Dag; `dag_id` is empty where the SLA's globs fit no Dag."""

    sla: str
    deployment: str
    dag_id: str
    owners: tuple[str, ...]
    judgements: tuple[Judgement, ...]

    @property
    def state(self) -> SlaState:
        return worst(judgement.state for judgement in self.judgements)

    @property
    def reason(self) -> str:
        return next((one.reason for one in self.judgements if one.state is self.state), "")


def worst(states: Iterable[SlaState]) -> SlaState:
    return min(states, key=_ORDER.index, default=SlaState.UNKNOWN)
