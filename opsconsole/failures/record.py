"""What the record says of a failing Dag, beside the failure itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opsconsole.db import Session
from opsconsole.db.runs import failed_in_a_row, last_success_ended
from opsconsole.failures.judge import Failure
from opsconsole.model import RunKey


@dataclass(frozen=True, slots=True)
class Record:
    """The how-manieth failed run since the Dag's last success each run is, and when that success ended, by Dag."""

    in_a_row: Mapping[RunKey, int] = field(default_factory=dict)
    last_success: Mapping[str, datetime] = field(default_factory=dict)

    def annotations(self, failure: Failure) -> dict[str, str]:
        """The success as a time, not an age: what is said of a failure does not change with every look."""
        place = self.in_a_row.get((failure.dag_id, failure.run_id))
        success = self.last_success.get(failure.dag_id)
        return {
            "failed_in_a_row": str(place) if place else "",
            "last_success": success.isoformat(timespec="seconds") if success else "",
        }


async def read_record(session: Session, deployment: str, failures: Iterable[Failure]) -> Record:
    runs = {(failure.dag_id, failure.run_id) for failure in failures}
    if not runs:
        return Record()
    dag_ids = {dag_id for dag_id, _ in runs}
    return Record(await failed_in_a_row(session, deployment, runs), await last_success_ended(session, deployment, dag_ids))
