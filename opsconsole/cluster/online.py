"""Whether a cluster answers queries and takes samples: asked before a configuration is put to work."""

from opsconsole.cluster import answers
from opsconsole.cluster.sender import EMPTY, HEADERS, explained
from opsconsole.cluster.settings import Settings
from opsconsole.cluster.transport import AwayError, Transport, open_http
from opsconsole.model import QueryError


async def ask(settings: Settings) -> list[tuple[str, str]]:
    """What is wrong, each with the key to look at. Writes nothing: a request without samples is one too."""
    async with open_http(settings) as http:
        transport = Transport(http, settings)
        found = [("query_url", await _query(transport, settings)), ("write_url", await _write(transport, settings))]
    written = "write_url" if settings.write_url else "query_url"
    return [(written if key == "write_url" else key, problem) for key, problem in found if problem]


async def _query(transport: Transport, settings: Settings) -> str:
    try:
        answers.data(await transport.ask(f"{settings.base}/api/v1/query", [("query", "1")]))
    except (AwayError, QueryError) as error:
        return f"{settings.base} does not answer queries: {error}"
    return ""


async def _write(transport: Transport, settings: Settings) -> str:
    try:
        answer = await transport.post(settings.write_to, EMPTY, HEADERS)
    except AwayError as error:
        return f"{settings.write_to} takes no samples: {error}"
    return "" if 200 <= answer.status < 300 else f"{settings.write_to} takes no samples: {explained(answer)}"
