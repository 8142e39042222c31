"""`/prometheus`: Prometheus' HTTP API, so that Grafana, promtool and whoever speaks to a Prometheus can ask the console."""

from fastapi import APIRouter, Depends

from opsconsole.web.api import prometheus_queries
from opsconsole.web.console import Console
from opsconsole.web.gate import Gate

API = "/prometheus/api/v1"


def build(console: Console, gate: Gate) -> APIRouter:
    router = APIRouter(dependencies=[Depends(gate.reads())])
    for name, handler in prometheus_queries.handlers(console).items():
        router.add_api_route(f"{API}/{name}", handler, methods=["GET", "POST"])
    return router
