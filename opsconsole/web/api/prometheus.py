"""`/prometheus`: Prometheus' HTTP API, so that Grafana, promtool and whoever speaks to a Prometheus can ask the console."""

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.web.api import probes, prometheus_queries, prometheus_rules, prometheus_series, prometheus_status
from opsconsole.web.console import Console
from opsconsole.web.gate import Gate

API = "/prometheus/api/v1"
POSTED = ("query", "query_range", "query_exemplars", "format_query", "labels", "series")
"""What may be posted as well, since it gets long."""


def build(console: Console, gate: Gate) -> APIRouter:
    router = APIRouter(dependencies=[Depends(gate.reads())])
    for module in (prometheus_queries, prometheus_series, prometheus_rules, prometheus_status):
        for name, handler in module.handlers(console).items():
            router.add_api_route(f"{API}/{name}", handler, methods=["GET", "POST"] if name in POSTED else ["GET"])

    async def ready(request: Request) -> Response:
        return await probes.answer(console.checks, request, console.clock.now(), gate)

    async def healthy(request: Request) -> Response:
        return await probes.answer([check for check in console.checks if check.vital], request, console.clock.now(), gate)

    whole = APIRouter()
    whole.include_router(router)
    whole.add_api_route("/prometheus/-/ready", ready, methods=["GET", "HEAD"])
    whole.add_api_route("/prometheus/-/healthy", healthy, methods=["GET", "HEAD"])
    return whole
