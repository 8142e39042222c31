"""What `opsconsole serve` serves: a file's configuration, or one Airflow that was named as it was called."""

import errno
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

from opsconsole.collectors import statsd_socket
from opsconsole.config import Loaded, built_in, load
from opsconsole.model import OpsConsoleError

log = logging.getLogger(__name__)


def reader(
    path: Path | None, airflow: str | None, username: str | None, password: str | None, listen: str | None
) -> Callable[[], Loaded]:
    """What reads the configuration, at start and at each reload."""
    if airflow is None:
        return lambda: load(path, listen=listen)
    auth = {"username": username, "password": password} if username or password else {}
    deployment = {"name": "airflow", "url": airflow, "auth": {key: value for key, value in auth.items() if value is not None}}

    def read() -> Loaded:
        loaded = built_in(listen=listen, deployments=[deployment])
        return loaded if _has_port(loaded.config.listeners.statsd.listen) else loaded.without_statsd()

    return read


@cache
def _has_port(address: str | None) -> bool:
    """Whether StatsD can listen there, and a warning where another program does. Found out once: later the port is our own."""
    if address is None:
        return True
    try:
        statsd_socket.listen(address).close()
    except OpsConsoleError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRINUSE:
            raise
        log.warning(
            "StatsD is off: another program has UDP %s. To have Airflow's StatsD, stop that program and start anew, "
            "or name another port as listeners.statsd.listen in a configuration file",
            address,
        )
        return False
    return True
