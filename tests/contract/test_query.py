"""`opsconsole query` as people type it, on what a store has flushed."""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from opsconsole.db import Database
from opsconsole.db.migrate import migrate
from opsconsole.model import Sample
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.clock import NOON, FakeClock
from tests.support.commands import Done, opsconsole

AT = NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
SETTINGS = Settings(retention=timedelta(days=36_500))


async def filled(url: str) -> None:
    """Ten minutes of two series, and one whose label would paint a terminal red."""
    db, clock = Database(url), FakeClock()
    await migrate(db)
    store = Store(db, clock, Telemetry(), SETTINGS)
    await store.open()
    for minute in range(11):
        at = NOON - timedelta(minutes=10 - minute)
        store.append([Sample.of("up", minute % 2, at, {"job": "a"}), Sample.of("up", 0.1 + 0.2, at, {"job": "b"})])
    store.append([Sample.of("odd", 1, NOON, {"label": "\x1b[31mred[bold]x"})])
    await store.commit(clock.now())
    await db.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("query")
    asyncio.run(filled(f"sqlite:///{made / 'console.db'}"))
    (made / "opsconsole.yaml").write_text("storage: {url: 'sqlite:///console.db', retention: {metrics: 36500d}}\n")
    return made


def query(folder: Path, *arguments: str) -> Done:
    return opsconsole("query", *arguments, cwd=folder)


def test_a_moment_is_a_table_of_series_and_values(folder: Path) -> None:
    done = query(folder, "up", "--at", AT)
    assert (done.status, done.err) == (0, [])
    assert [line.split() for line in done.out] == [
        ["series", "value"],
        ['up{job="a"}', "0"],
        ['up{job="b"}', "0.30000000000000004"],
    ]


def test_a_range_is_a_line_for_each_point(folder: Path) -> None:
    done = query(folder, 'up{job="a"}', "--start", f"{(NOON - timedelta(minutes=2)).timestamp()}", "--end", AT, "--step", "1m")
    assert (done.status, done.err) == (0, [])
    times = [NOON - timedelta(minutes=n) for n in (2, 1, 0)]
    assert [line.split()[1:] for line in done.out[1:]] == [
        [*f"{at:%Y-%m-%d %H:%M:%S}Z".split(), value] for at, value in zip(times, "010", strict=True)
    ]


def test_json_is_what_the_api_would_answer(folder: Path) -> None:
    def answer(*arguments: str) -> object:
        done = query(folder, *arguments, "--json")
        assert (done.status, done.err, len(done.out)) == (0, [], 1)
        return json.loads(done.out[0])

    at = int(NOON.timestamp())
    metric = {"__name__": "up", "job": "b"}
    assert answer('up{job="b"}', "--at", AT) == {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": metric, "value": [at, "0.30000000000000004"]}]},
    }
    series = [{"metric": {"job": "b"}, "values": [[at - 60, "+Inf"], [at, "+Inf"]]}]
    assert answer('up{job="b"} / 0', "--start", str(at - 60), "--end", AT, "--step", "60") == {
        "status": "success",
        "data": {"resultType": "matrix", "result": series},
    }
    assert answer("1 / 0 - 1 / 0", "--at", AT) == {"status": "success", "data": {"resultType": "scalar", "result": [at, "NaN"]}}
    assert answer('"text"', "--at", AT) == {"status": "success", "data": {"resultType": "string", "result": [at, "text"]}}


def test_a_scalar_a_text_and_nothing_are_told_plainly(folder: Path) -> None:
    assert query(folder, "1 + 1") == Done(0, ["2"], [])
    assert query(folder, '"text"') == Done(0, ["text"], [])
    assert query(folder, "absent_metric", "--at", AT) == Done(0, [], ["no data"])


def test_what_a_terminal_would_obey_is_written_out(folder: Path) -> None:
    done = query(folder, "odd", "--at", AT)
    assert done.out[1].split() == ['odd{label="\\x1b[31mred[bold]x"}', "1"]


def test_a_mistake_is_underlined_where_it_is(folder: Path) -> None:
    done = query(folder, "sum(rate(up[5m])")
    assert (done.status, done.out) == (1, [])
    assert done.err[0].startswith("1:17: parse error: ")
    assert done.err[1:] == ["  sum(rate(up[5m])", " " * 18 + "^"]
    second = query(folder, "up +\n  rate(up)")
    assert second.status == 1
    assert second.err[0].startswith("2:")
    assert second.err[1] == "    rate(up)"
    assert second.err[2].strip() == "^"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--at", "soon"], "'soon' is not a time: write now-1h"),
        (["--at", "now", "--start", "now-1h"], "give --at for one moment, or --start and --end for a range, not both"),
    ],
)
def test_what_is_not_understood_is_a_usage_error(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = query(tmp_path, "up", *arguments)
    assert (done.status, done.out) == (2, [])
    assert told in " ".join(done.err)


def test_too_many_steps_are_refused_as_prometheus_refuses_them(folder: Path) -> None:
    done = query(folder, "up", "--start", "0", "--step", "1s")
    assert (done.status, done.out, len(done.err)) == (1, [], 1)
    assert "exceeded maximum resolution of 11,000 points per timeseries" in done.err[0]
    step = re.search(r"\(--step (\S+) or more\)", done.err[0])
    assert step
    assert query(folder, "up", "--start", "0", "--step", step[1]).status == 0


def test_where_there_is_no_database_it_says_so_and_makes_none(tmp_path: Path) -> None:
    (tmp_path / "opsconsole.yaml").write_text("storage: {url: 'sqlite:///absent.db'}\n")
    done = query(tmp_path, "up")
    assert (done.status, done.out, len(done.err)) == (1, [], 1)
    assert done.err[0].startswith(f"there is no database at {tmp_path / 'absent.db'}: start the console")
    assert not list(tmp_path.glob("absent.db*"))


def test_a_database_that_was_never_migrated_is_told_the_mend(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "opsconsole.yaml").write_text(f"storage: {{url: '{postgres_url}'}}\n")
    done = query(tmp_path, "up")
    assert (done.status, done.out) == (1, [])
    assert len(done.err) == 1
    assert done.err[0].startswith("the database's schema is empty: run opsconsole migrate")


def test_it_takes_nothing_over_from_the_console_that_writes(tmp_path: Path, database_url: str) -> None:
    async def story() -> Done:
        db, clock = Database(database_url), FakeClock()
        await migrate(db)
        store = Store(db, clock, Telemetry(), SETTINGS)
        await store.open()
        store.append([Sample.of("up", 1, NOON, {})])
        await store.commit(NOON)
        done = await asyncio.to_thread(query, tmp_path, "up", "--at", AT)
        store.append([Sample.of("up", 2, NOON + timedelta(seconds=1), {})])
        await store.commit(NOON)  # raises where somebody has taken over
        await db.close()
        return done

    (tmp_path / "opsconsole.yaml").write_text(f"storage: {{url: '{database_url}', retention: {{metrics: 36500d}}}}\n")
    done = asyncio.run(story())
    assert (done.status, done.out[1].split()) == (0, ["up", "1"])
