"""`opsconsole check --online`: does everything that the configuration names answer?"""

from collections.abc import Callable

from opsconsole.clock import Clock
from opsconsole.cluster import online as cluster
from opsconsole.collectors import online as asking
from opsconsole.config import Loaded
from opsconsole.model import ConfigError
from opsconsole.secrets import redacted

Say = Callable[[str], None]


async def ask(loaded: Loaded, clock: Clock, say: Say) -> None:
    """Say who answers. Raises ConfigError with a problem, at the setting to look at, for each that does not."""
    answers = await asking.ask_all(loaded.config.deployments, clock)
    for answer in answers:
        if not answer.problem:
            say(redacted(f"{answer.deployment}: Airflow {answer.version}, {', '.join(answer.ailing) or 'healthy'}"))
        if answer.port and not answer.port.problem:
            say(redacted(f"{answer.deployment}: scheduler at {answer.port.instance}, {answer.port.health}"))
    problems = [
        loaded.document.problem(("deployments", index, *setting), f"{answer.deployment}: {problem}")
        for index, answer in enumerate(answers)
        for setting, problem in answer.problems
    ]
    problems += await _ask_cluster(loaded, say)
    if problems:
        raise ConfigError(problems)


async def _ask_cluster(loaded: Loaded, say: Say) -> list[str]:
    """What is wrong with the cluster that keeps the metrics, where one does; a line where all is well."""
    settings = loaded.config.storage.metrics
    if settings.engine != "prometheus":
        return []
    found = await cluster.ask(settings)
    if not found:
        say(redacted(f"metrics: {settings.base} answers queries and takes samples"))
    return [loaded.document.problem(("storage", "metrics", key), redacted(problem)) for key, problem in found]
