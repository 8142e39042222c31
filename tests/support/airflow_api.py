"""A canned Airflow API: what the far end answers is written down, and what it was asked is kept."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from opsconsole.airflow import Airflow, Limits, connect
from opsconsole.airflow.settings import Airflow as Settings
from opsconsole.clock import Clock
from tests.support.clock import FakeClock

RECORDED = Path(__file__).parents[1] / "data" / "airflow"
VERSIONS = {2: "2.11.2", 3: "3.3.2"}
URL = "http://airflow.test/prefix"

Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]


def recorded(generation: int, name: str) -> Any:
    """The body that a real Airflow answered, by the capture's name."""
    return json.loads((RECORDED / f"rest-{VERSIONS[generation]}-{name}.json").read_text())["response"]


def recorded_health(generation: int, name: str) -> Any:
    return json.loads((RECORDED / f"health-{VERSIONS[generation]}-{name}.json").read_text())["body"]


def ok(body: Any, **headers: str) -> httpx.Response:
    return httpx.Response(200, json=body, headers=headers)


def html(status: int = 200) -> httpx.Response:
    return httpx.Response(status, text="<!doctype html><p>hello</p>", headers={"content-type": "text/html"})


class CannedAirflow:
    """Answers by path below the API's prefix; anything else is 404."""

    def __init__(self, generation: int = 3, answers: Mapping[str, Answer] | None = None) -> None:
        self.generation = generation
        self.prefix = "/prefix/api/v1" if generation == 2 else "/prefix/api/v2"
        self.answers: dict[str, Answer] = {"/version": ok(recorded(generation, "version")), **(answers or {})}
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.raw_path.decode().split("?")[0]
        answer = self.answers.get(path.removeprefix(self.prefix)) or self.answers.get(path.removeprefix("/prefix"))
        if answer is None:
            return httpx.Response(404, json={"detail": "Not Found"})
        return (
            answer(request)
            if callable(answer)
            else httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)
        )

    @property
    def asked(self) -> list[str]:
        return [f"{r.method} {r.url.raw_path.decode()}" for r in self.requests]

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    async def connected(
        self, clock: Clock | None = None, limits: Limits | None = None, auth: Mapping[str, Any] | None = None
    ) -> Airflow:
        settings = Settings.model_validate({"url": URL, "auth": dict(auth or {"token": "static-token"})})
        return await connect(settings, self.client(), clock or FakeClock(), limits)
