"""The nouns that the stages speak: frozen values, without I/O."""

from opsconsole.model.alert import Alert, AlertState, Transition
from opsconsole.model.appended import Appended
from opsconsole.model.dag import (
    FINAL_RUN_STATES,
    OPEN_RUN_STATES,
    OPEN_TASK_STATES,
    Dag,
    DagRun,
    RunKey,
    TaskInstance,
    TaskKey,
)
from opsconsole.model.errors import CollectError, ConfigError, OpsConsoleError
from opsconsole.model.finding import Finding, Verdict
from opsconsole.model.headline import SEVERITIES, headline, summary, worst_severity
from opsconsole.model.incident import NOBODY, Handling, Happening, IncidentEvent
from opsconsole.model.labels import Labels
from opsconsole.model.notification import DeliveryError, Integration, Notification, Occasion
from opsconsole.model.sample import Sample
from opsconsole.model.series import (
    STALE,
    STALE_NAN_BITS,
    Admit,
    Block,
    Matcher,
    MatchOp,
    MetricsReader,
    MetricsStore,
    Millis,
    Point,
    Querier,
    QueryError,
    QueryResult,
    Refs,
    Row,
    Series,
    SeriesSource,
    Values,
    admit_all,
)
from opsconsole.model.sharing import blocks_of
from opsconsole.model.silence import Silence, SilenceState
from opsconsole.model.status import ComponentStatus, Status, worst

__all__ = [
    "FINAL_RUN_STATES",
    "NOBODY",
    "OPEN_RUN_STATES",
    "OPEN_TASK_STATES",
    "SEVERITIES",
    "STALE",
    "STALE_NAN_BITS",
    "Admit",
    "Alert",
    "AlertState",
    "Appended",
    "Block",
    "CollectError",
    "ComponentStatus",
    "ConfigError",
    "Dag",
    "DagRun",
    "DeliveryError",
    "Finding",
    "Handling",
    "Happening",
    "IncidentEvent",
    "Integration",
    "Labels",
    "MatchOp",
    "Matcher",
    "MetricsReader",
    "MetricsStore",
    "Millis",
    "Notification",
    "Occasion",
    "OpsConsoleError",
    "Point",
    "Querier",
    "QueryError",
    "QueryResult",
    "Refs",
    "Row",
    "RunKey",
    "Sample",
    "Series",
    "SeriesSource",
    "Silence",
    "SilenceState",
    "Status",
    "TaskInstance",
    "TaskKey",
    "Transition",
    "Values",
    "Verdict",
    "admit_all",
    "blocks_of",
    "headline",
    "summary",
    "worst",
    "worst_severity",
]
