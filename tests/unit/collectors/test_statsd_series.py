"""What StatsD lines add up to."""

import itertools
import math
import struct
from datetime import timedelta

import pytest

from opsconsole.collectors.statsd_settings import StatsdSender, StatsdSettings, confused, split_address
from opsconsole.collectors.statsd_timers import Window
from opsconsole.model import STALE_NAN_BITS
from tests.support.statsd import START, Stream


def is_stale(value: float | None) -> bool:
    return value is not None and struct.pack("<d", value) == struct.pack("<Q", STALE_NAN_BITS)


def millis(seconds: float) -> int:
    return round((START + seconds) * 1000)


def test_a_counter_begins_at_zero_one_step_before_its_first_value() -> None:
    stream = Stream().step().send("airflow.a:2|c", "airflow.a:3|c").step().send("airflow.a:1|c").step()
    assert stream.history("airflow_a") == [(millis(1), 0), (millis(2), 5), (millis(3), 6)]


def test_a_sampled_counter_counts_for_all_it_stands_for() -> None:
    assert Stream().send("airflow.a:1|c|@0.1", "airflow.a:1|c").step().last("airflow_a") == 11


def test_a_sampled_gauge_and_timer_keep_their_value() -> None:
    stream = Stream(generation=lambda _: 3).send("airflow.g:7|g|@0.1", "airflow.t:2000|ms|@0.25").step()
    assert stream.last("airflow_g") == 7
    assert stream.last("airflow_t_count") == 4
    assert stream.last("airflow_t_sum") == 8
    assert stream.last("airflow_t", quantile="0.5") == 2


def test_zeros_make_no_counter() -> None:
    stream = Stream().send("airflow.ti.finish.d.t.None:0|c", "airflow.ti.finish.d.t.failed:0|c").step(times=20)
    assert stream.names() == set()


def test_a_gauge_moves_by_signed_values_and_is_set_by_others() -> None:
    stream = Stream().send("airflow.g:5|g", "airflow.g:+3|g", "airflow.g:-1|g").step()
    assert stream.last("airflow_g") == 7
    assert stream.send("airflow.g:2|g").step().last("airflow_g") == 2


def test_a_silent_gauge_is_held_for_its_time_then_ends() -> None:
    stream = Stream(settings=StatsdSettings(gauge_ttl=timedelta(seconds=60))).send("airflow.g:5|g").step(times=50)
    assert stream.last("airflow_g") == 5
    assert is_stale(stream.step(times=30).last("airflow_g"))
    ended = len(stream.history("airflow_g"))
    assert len(stream.step(times=40).history("airflow_g")) == ended
    assert stream.send("airflow.g:6|g").step().last("airflow_g") == 6


def test_a_series_without_news_is_stored_again_within_a_look_back_of_a_minute() -> None:
    stream = Stream().send("airflow.a:1|c").step(times=120)
    times = [at for at, _ in stream.history("airflow_a")]
    assert max(after - before for before, after in itertools.pairwise(times)) <= 16_000


def test_a_timer_is_a_summary_in_seconds() -> None:
    stream = Stream(generation=lambda _: 3).send(*(f"airflow.t:{n}|ms" for n in range(1, 101))).step()
    assert stream.last("airflow_t_sum") == pytest.approx(5.05)
    assert stream.last("airflow_t_count") == 100
    quantiles = [stream.last("airflow_t", quantile=q) for q in ("0.5", "0.9", "0.99")]
    assert quantiles == pytest.approx([0.051, 0.091, 0.1])


def test_quantiles_end_when_their_window_has_emptied_while_sum_and_count_go_on() -> None:
    stream = Stream(generation=lambda _: 3).send("airflow.t:100|ms").step(times=660)
    assert is_stale(stream.last("airflow_t", quantile="0.5"))
    assert stream.last("airflow_t_sum") == pytest.approx(0.1)


def test_a_window_forgets_in_fifths() -> None:
    window = Window(50)
    assert window.after([1.0], 0) == [1.0]
    assert window.after([2.0], 45) == [1.0, 2.0]
    assert window.after([], 50) == [2.0]
    assert window.after([], 100) == []


def test_a_set_counts_different_members_of_the_last_minute() -> None:
    stream = Stream().send("airflow.s:a|s", "airflow.s:b|s", "airflow.s:a|s", "airflow.s:7|s").step()
    assert stream.last("airflow_s") == 3
    assert stream.step(times=90).last("airflow_s") == 0


def test_a_name_keeps_the_type_that_it_had_first() -> None:
    stream = Stream().send("airflow.a:1|c", "airflow.a:9|g", "airflow.a:1|c").step()
    assert stream.last("airflow_a") == 2
    assert stream.dropped == {"type_conflict": 1}


def test_series_are_bounded_and_what_ended_makes_room() -> None:
    stream = Stream(settings=StatsdSettings(max_series=100, gauge_ttl=timedelta(seconds=30)))
    stream.send(*(f"airflow.g{n}:1|g" for n in range(150))).step()
    assert len(stream.registry) == 100
    assert stream.dropped == {"too_many_series": 50}
    stream.step(times=60)
    assert stream.registry.purge() == 100
    stream.intake.forget()
    assert stream.send("airflow.g149:1|g").step().last("airflow_g149") == 1


def test_names_whose_every_value_is_refused_make_room_too_and_their_type_is_forgotten() -> None:
    stream = Stream(settings=StatsdSettings(max_series=100))
    stream.send(*(f"airflow.n{n}:-1|c" for n in range(100))).step()
    assert stream.registry.purge() == 100
    stream.intake.forget()
    assert stream.send("airflow.n7:3|g").step().last("airflow_n7") == 3


def test_a_flood_of_new_names_is_dropped_until_the_next_step() -> None:
    stream = Stream().send(*(f"airflow.n{n}:1|c" for n in range(12_000)))
    assert stream.dropped == {"too_many_new_names": 2000}
    assert stream.step().send("airflow.n11999:1|c").step().last("airflow_n11999") == 1


def test_arrivals_are_stamped_with_their_time() -> None:
    stream = Stream(generation=lambda _: 3)
    stream.send("airflow.scheduler_heartbeat:1|c", "airflow.scheduler.scheduler_loop_duration:20|ms").step(times=10)
    stream.send("airflow.triggerer_heartbeat:1|c").step()
    beat = "airflow_statsd_heartbeat_timestamp_seconds"
    assert stream.last(beat, component="scheduler") == START
    assert stream.last(beat, component="triggerer") == START + 10
    assert stream.last("airflow_statsd_scheduler_loop_timestamp_seconds") == START
    assert stream.last("airflow_statsd_last_received_timestamp_seconds") == START + 10


def test_a_deployment_is_known_by_the_longest_prefix_that_fits() -> None:
    stream = Stream(StatsdSender("one", "airflow"), StatsdSender("two", "airflow.two"))
    stream.send("airflow.job_start:1|c", "airflow.two.job_start:5|c").step()
    assert (stream.last("airflow_job_start", deployment="one"), stream.last("airflow_job_start", deployment="two")) == (1, 5)


def test_a_prefix_of_two_deployments_is_neithers_and_its_lines_are_counted_and_shown() -> None:
    stream = Stream(StatsdSender("one", "airflow"), StatsdSender("two", "airflow"), StatsdSender("three", "third"))
    stream.send("airflow.job_start:1|c", "airflow.job_start:1|c", "stranger.x:1|c", "third.job_start:1|c").step()
    assert stream.last("airflow_job_start", deployment="unassigned") == 2
    assert stream.last("airflow_job_start", deployment="three") == 1
    assert stream.intake.unassigned == 3
    assert stream.resolver.strangers == {"airflow": 1, "stranger": 1}


def test_an_own_address_is_the_deployments_whatever_the_prefix() -> None:
    stream = Stream(own=StatsdSender("prod", "eu", listen="127.0.0.1:9")).send("eu.job_start:1|c", "gweb.gunicorn.requests:1|c")
    stream.step()
    assert stream.last("airflow_job_start") == 1
    assert stream.last("airflow_gunicorn_requests") == 1
    assert stream.intake.unassigned == 0


def test_every_stored_number_is_a_number() -> None:
    stream = Stream().replay("3.x-datadog")
    values = [value for samples in stream.memory.samples.values() for _, value in samples]
    assert values
    assert not [value for value in values if math.isinf(value) or (math.isnan(value) and not is_stale(value))]


def test_deployments_that_cannot_be_told_apart_are_named() -> None:
    own = "127.0.0.1:8126"
    senders = [StatsdSender("a"), StatsdSender("b"), StatsdSender("c", "third"), StatsdSender("d", listen=own)]
    assert confused(senders) == [("a", "b")]
    assert confused([*senders[2:], StatsdSender("e", listen=own)]) == [("d", "e")]


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:8125", ("127.0.0.1", 8125)), ("[::1]:8125", ("::1", 8125)), (":8125", ("::", 8125)), ("name:1", ("name", 1))],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["8125", "127.0.0.1", "127.0.0.1:99999", "::1:8125", "host:port", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        StatsdSettings(listen=text)
