"""`metadata` and `status/…`: what a client asks to learn whom it speaks to."""

import os
import platform
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from opsconsole import __version__
from opsconsole.web.api.prometheus_answer import Handler, endpoints, success
from opsconsole.web.api.prometheus_forms import BadData, Form
from opsconsole.web.api.prometheus_json import dumped
from opsconsole.web.api.prometheus_rules import rfc3339
from opsconsole.web.console import Console

SPOKEN = {2: "2.42.0", 3: "3.5.0"}
"""The Prometheus that clients may take the console for, by `promql_compat`: they ask for what that one knows."""


def handlers(console: Console) -> dict[str, Handler]:
    """By their path."""
    endpoint = endpoints(console.compat)
    started = console.clock.now()

    async def metadata(request: Request, given: Form) -> Response:
        limit, per_metric = _number(given, "limit"), _number(given, "limit_per_metric")
        found = _metadata(console)
        if name := given.get("metric"):
            found = {name: found[name]} if name in found else {}
        cut = list(found.items())[: limit if limit >= 0 else None]
        return success(request, [dumped({name: known[: per_metric if per_metric > 0 else None] for name, known in cut})])

    async def build_info(request: Request, given: Form) -> Response:
        told = {"version": SPOKEN[console.compat], "revision": __version__, "branch": "opsconsole"}
        return success(request, [dumped({**told, "buildUser": "", "buildDate": "", "goVersion": ""})])

    async def runtime_info(request: Request, given: Form) -> Response:
        told = {
            "startTime": rfc3339(started),
            "CWD": "",
            "hostname": platform.node(),
            "serverTime": rfc3339(console.clock.now()),
            "reloadConfigSuccess": True,
            "lastConfigTime": rfc3339(started),
            "corruptionCount": 0,
            "goroutineCount": 0,
            "GOMAXPROCS": os.cpu_count() or 1,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": "",
        }
        return success(request, [dumped(told)])

    def always(data: Any) -> Handler:
        async def answer(request: Request, given: Form) -> Response:
            return success(request, [dumped(data)])

        return endpoint(answer)

    return {
        "metadata": endpoint(metadata),
        "status/buildinfo": endpoint(build_info),
        "status/runtimeinfo": endpoint(runtime_info),
        "status/config": always({"yaml": ""}),
        "status/flags": always({}),
        "targets/metadata": always([]),
        "alertmanagers": always({"activeAlertmanagers": [], "droppedAlertmanagers": []}),
    }


def _number(given: Form, name: str) -> int:
    text = given.get(name)
    if text and not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise BadData(f"{name} must be a number")
    return int(text) if text else -1


def _metadata(console: Console) -> Mapping[str, list[dict[str, str]]]:
    """By the metric's name; of the console's own metrics, the name under which their samples are found."""
    found = {name: [one._asdict() for one in told] for name, told in console.metadata.all().items()}
    for family in console.telemetry.registry.collect():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        kind = "gauge" if family.type == "info" else family.type
        found[name] = [{"type": kind, "help": family.documentation, "unit": family.unit}]
    return dict(sorted(found.items()))
