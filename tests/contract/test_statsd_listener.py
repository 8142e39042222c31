"""The StatsD listener on real sockets, and into the real store."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from statsd import StatsClient

from opsconsole.clock import SystemClock, millis
from opsconsole.collectors.statsd import StatsdListener, heard
from opsconsole.collectors.statsd_settings import StatsdSender, StatsdSettings
from opsconsole.collectors.statsd_socket import BATCH, Reader, kernel_drops, listen
from opsconsole.db import Database
from opsconsole.model import STALE_NAN_BITS, ConfigError, Matcher, MatchOp, OpsConsoleError
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings as StoreSettings
from opsconsole.tsdb.store import Store
from tests.support.clock import FakeClock
from tests.support.statsd import Memory

ANY_PORT = "127.0.0.1:0"


@asynccontextmanager
async def opened(
    *senders: StatsdSender, memory: Memory | None = None, listen: str | None = ANY_PORT, telemetry: Telemetry | None = None
) -> AsyncIterator[StatsdListener]:
    listener = StatsdListener(
        StatsdSettings(listen=listen), senders, memory or Memory(), FakeClock(), telemetry or Telemetry(), lambda _: 3
    )
    async with AsyncExitStack() as stack:
        await listener.open()
        stack.push_async_callback(listener.close)
        yield listener


def send(listener: StatsdListener, *datagrams: bytes, port: int = 0) -> None:
    host, number = listener.ports[port].bound
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for datagram in datagrams:
            sock.sendto(datagram, (host, number))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not true():
            await asyncio.sleep(0.005)


def values(memory: Memory) -> dict[tuple[str, str], float]:
    return {(name, labels["deployment"]): samples[-1][1] for (name, labels), samples in memory.all().items() if samples}


async def test_what_statsds_own_client_sends_is_stored() -> None:
    memory = Memory()
    async with opened(StatsdSender("prod"), memory=memory) as listener:
        host, port = listener.ports[0].bound
        client = StatsClient(host, port, prefix="airflow")
        client.incr("job_start", 3)
        client.timing("scheduler.scheduler_loop_duration", 250)
        client.gauge("dagbag_size", 7)
        client.gauge("dagbag_size", -2, delta=True)
        client.set("users", "ada")
        await until(lambda: listener.ports[0].intake.lines == 5)
    stored = values(memory)
    assert stored["airflow_job_start", "prod"] == 3
    assert stored["airflow_scheduler_scheduler_loop_duration_sum", "prod"] == 0.25
    assert stored["airflow_dagbag_size", "prod"] == 5
    assert stored["airflow_users", "prod"] == 1


async def test_nothing_of_a_burst_is_lost_also_what_waits_when_it_closes() -> None:
    memory = Memory()
    async with opened(StatsdSender("prod"), memory=memory) as listener:
        kept = listener.ports[0].buffer // 2048  # what the kernel surely keeps: not much where we are not root
        many = min(BATCH * 3 + 17, kept)
        send(listener, *[b"airflow.job_start:1|c"] * many)
    assert values(memory)["airflow_job_start", "prod"] == many
    assert listener.ports[0].intake.datagrams == many


async def test_where_nobody_listens_any_more_series_end_after_what_came_last() -> None:
    memory = Memory()
    settings, senders = StatsdSettings(listen=ANY_PORT), [StatsdSender("prod"), StatsdSender("own", listen=ANY_PORT)]
    assert heard(settings, senders) == {"prod", "own", "unassigned"}
    assert heard(StatsdSettings(listen=None), senders) == {"own"}
    async with opened(*senders, memory=memory) as listener:
        send(listener, b"airflow.dagbag_size:7|g")
        send(listener, b"airflow.dagbag_size:9|g", port=1)
        await until(lambda: sum(port.intake.lines for port in listener.ports) == 2)
        await listener.close()
        before = {key: list(samples) for key, samples in memory.all().items()}
        listener.end(FakeClock().now(), but={"own"})
    for key, samples in memory.all().items():
        if samples and key[1]["deployment"] == "prod":
            assert samples[:-1] == before[key]
            assert np.array(samples[-1][1]).view(np.uint64) == STALE_NAN_BITS
            assert samples[-1][0] > samples[-2][0]
        else:
            assert samples == before[key]
    assert {labels["deployment"] for (_, labels), samples in before.items() if samples} == {"prod", "own"}


async def test_garbage_is_counted_by_reason_and_the_listener_goes_on() -> None:
    telemetry = Telemetry()
    async with opened(StatsdSender("prod"), telemetry=telemetry) as listener:
        send(
            listener, b"", b"\x00\xff" * 50, b"airflow.x:NaN|g", b"x" * 8192 + b":1|c", b"airflow.job_start:1|c", b"who.am.i:1|c"
        )
        await until(lambda: listener.ports[0].intake.datagrams == 6)
        await listener.step(FakeClock().now())
    told = {
        (sample.name, sample.labels.get("reason", "")): sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name.startswith("opsconsole_statsd")
    }
    assert told["opsconsole_statsd_datagrams_total", ""] == 6
    assert told["opsconsole_statsd_malformed_lines_total", "bad_value"] == 1
    assert told["opsconsole_statsd_malformed_lines_total", "no_value"] == 1
    assert told["opsconsole_statsd_malformed_lines_total", "truncated"] == 1
    assert told["opsconsole_statsd_unassigned_lines_total", ""] == 1
    assert listener.strangers == {"who": 1}


async def test_a_deployment_with_its_own_address_needs_no_prefix() -> None:
    memory = Memory()
    async with opened(StatsdSender("one"), StatsdSender("two", listen=ANY_PORT), memory=memory) as listener:
        send(listener, b"airflow.job_start:1|c", port=0)
        send(listener, b"airflow.job_start:2|c", port=1)
        await until(lambda: sum(port.intake.lines for port in listener.ports) == 2)
    stored = values(memory)
    assert (stored["airflow_job_start", "one"], stored["airflow_job_start", "two"]) == (1, 2)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_an_ipv6_address_may_be_listened_on_where_there_is_one() -> None:
    if not has_ipv6():
        with pytest.raises(OpsConsoleError, match=r"cannot listen on \[::1\]:0"):
            listen("[::1]:0")
        return
    memory = Memory()
    async with opened(StatsdSender("prod"), memory=memory, listen="[::1]:0") as listener:
        send(listener, b"airflow.job_start:1|c")
        await until(lambda: listener.ports[0].intake.lines == 1)
    assert values(memory)["airflow_job_start", "prod"] == 1


async def test_a_port_in_use_is_one_clear_line_and_frees_the_others() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OpsConsoleError, match=r"cannot listen on 127\.0\.0\.1:\d+ \(UDP\): another program has this port"):
            async with opened(StatsdSender("prod"), StatsdSender("two", listen=taken)):
                pass


def test_an_address_of_another_machine_is_one_clear_line() -> None:
    with pytest.raises(OpsConsoleError, match="this machine has no such address"):
        listen("192.0.2.1:8125")


def test_a_mapping_file_that_cannot_be_used_is_told_before_anything_listens(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("mappings:\n- {match: 'a..b', name: x}\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml:2: 'a\.\.b' is not a glob"):
        StatsdListener(StatsdSettings(mappings=(bad,)), [], Memory(), FakeClock(), Telemetry())


def test_what_the_kernel_drops_is_known() -> None:
    with listen(ANY_PORT) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(500):
            sender.sendto(b"airflow.job_start:1|c", sock.getsockname())
        kept = len(Reader(sock).read())
        assert kernel_drops(sock) == 500 - kept > 0


def test_a_datagram_longer_than_ours_loses_only_its_last_line() -> None:
    with listen(ANY_PORT) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"airflow.job_start:1|c\n" * 400, sock.getsockname())
        sender.sendto(b"airflow.job_end:1|c", sock.getsockname())
        reader = Reader(sock)
        long, short = reader.read()
        assert set(long.split(b"\n")) == {b"airflow.job_start:1|c"}
        assert short == b"airflow.job_end:1|c"
        assert reader.truncated == 1


async def test_a_heartbeat_reaches_the_store_and_a_query_of_it(db: Database) -> None:
    clock, telemetry = SystemClock(), Telemetry()
    began = clock.now()
    store = Store(db, clock, telemetry, StoreSettings())
    await store.open()
    listener = StatsdListener(StatsdSettings(listen=ANY_PORT), [StatsdSender("prod")], store, clock, telemetry, lambda _: 3)
    await listener.open()
    send(listener, b"airflow.scheduler_heartbeat:1|c", b"airflow.scheduler_heartbeat:1|c")
    await until(lambda: listener.ports[0].intake.lines == 2)
    await listener.step(clock.now())
    await store.flush(clock.now())
    now = clock.now()
    matchers = [Matcher("__name__", MatchOp.REGEX, "airflow_(scheduler_heartbeat|statsd_heartbeat_timestamp_seconds)")]
    found = await store.select(matchers, millis(began - timedelta(minutes=1)), millis(now))
    await listener.close()
    await store.close()
    latest = {series.labels["__name__"]: series.values.tolist() for series in found}
    assert latest["airflow_scheduler_heartbeat"] == [0, 2]
    assert began.timestamp() <= latest["airflow_statsd_heartbeat_timestamp_seconds"][-1] <= now.timestamp()
