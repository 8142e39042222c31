"""How a cluster is configured."""

from pathlib import Path

import pytest

from opsconsole.config import Config, from_document
from opsconsole.documents import Document
from opsconsole.model import ConfigError
from opsconsole.secrets import redacted

PROMETHEUS = {"engine": "prometheus", "query_url": "http://127.0.0.1:9090/prefix/"}


def config(metrics: dict[str, object]) -> Config:
    document = Document("opsconsole.yaml", {"storage": {"metrics": metrics}}, {})
    return from_document(document, Path("/nowhere"), {}).config


def test_samples_go_below_the_address_that_is_asked_unless_another_is_given() -> None:
    assert config(PROMETHEUS).storage.metrics.write_to == "http://127.0.0.1:9090/prefix/api/v1/write"
    other = config({**PROMETHEUS, "write_url": "http://127.0.0.1:9009/api/v1/push"})
    assert other.storage.metrics.write_to == "http://127.0.0.1:9009/api/v1/push"


def test_a_headers_value_is_masked_everywhere() -> None:
    settings = config({**PROMETHEUS, "headers": {"Authorization": "Bearer wholly-secret"}}).storage.metrics
    assert "wholly-secret" not in repr(settings)
    assert "wholly-secret" not in redacted("sent Bearer wholly-secret")


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"engine": "prometheus"}, "needs query_url"),
        ({"query_url": "http://127.0.0.1:9090"}, "query_url goes with engine: prometheus"),
        ({**PROMETHEUS, "promql_compat": 2}, "promql_compat goes with engine: embedded"),
        ({**PROMETHEUS, "query_url": "127.0.0.1:9090"}, "is like http://host:9090"),
        ({**PROMETHEUS, "query_url": "http://host:9090/api/v1/query"}, "what stands before /api/v1/query"),
        ({**PROMETHEUS, "query_url": "http://user:pw@host"}, "keep the login out of the address"),
        ({**PROMETHEUS, "write_url": "http://host/write?x=1"}, "leave out what follows ? or #"),
        ({**PROMETHEUS, "query_url": "http://host:port"}, "query_url"),
        ({**PROMETHEUS, "headers": {"a b": "c"}}, "cannot be the name of a header"),
        ({**PROMETHEUS, "headers": {"X-A": "line\nline"}}, "printable ASCII only"),
        ({**PROMETHEUS, "timeout": "0s"}, "timeout"),
        ({**PROMETHEUS, "queue_size": "1KiB"}, "queue_size"),
        ({**PROMETHEUS, "quueue_age": "1d"}, "did you mean 'queue_age'?"),
    ],
)
def test_what_cannot_be_meant_is_told(metrics: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        config(metrics)
    assert said in str(told.value)
