"""Finding out which generation of Airflow answers."""

import httpx

from opsconsole.airflow import v1, v2
from opsconsole.airflow.client import ApiClient
from opsconsole.airflow.credentials import ambient, basic, login
from opsconsole.airflow.errors import NotAirflow, Refused
from opsconsole.airflow.rest import Airflow
from opsconsole.airflow.settings import Airflow as Settings
from opsconsole.airflow.transport import Limits, Transport
from opsconsole.clock import Clock
from opsconsole.model import CollectError


async def connect(settings: Settings, http: httpx.AsyncClient, clock: Clock, limits: Limits | None = None) -> Airflow:
    """The adapter for the Airflow at `settings.url`. Raises CollectError where none answers there.

    Asks 3.x's version endpoint first, then 2.x's; neither needs a login. 2.x answers the first with 404, and a server that
    is no Airflow answers both with something else than JSON.
    """
    transport = Transport(settings.url, http, clock, limits)
    credentials = ambient(settings.auth, clock)
    newer = ApiClient(transport, credentials or login(settings.auth, transport, clock), v2.PREFIX)
    version = await _version(newer)
    if version is not None:
        return v2.AirflowV2(newer, version, settings.url)
    older = ApiClient(transport, credentials or basic(settings.auth), v1.PREFIX)
    version = await _version(older)
    if version is not None:
        return v1.AirflowV1(older, version, settings.url)
    raise CollectError(
        f"{settings.url} is no Airflow API: it answers neither /api/v2/version nor /api/v1/version "
        "(does the url lack a path prefix, or have a page's path too many?)",
        retryable=False,
    )


async def _version(client: ApiClient) -> str | None:
    """The version; None where this generation's endpoint is not there. A refused or failing server is no answer to that."""
    try:
        answer = await client.ask("/version", login=False)
    except NotAirflow:
        return None
    except Refused as error:
        if error.status in (404, 405, 410):
            return None
        raise
    version = answer.body.get("version") if isinstance(answer.body, dict) else None
    return version if isinstance(version, str) and version else None
