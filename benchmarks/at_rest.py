"""What watching costs: CPU and memory of a console beside one real Airflow at rest.

    python benchmarks/at_rest.py [--version 2.11.2] [--minutes 3] [--warm-up 120] [--page]

Airflow runs its canary every minute and sends StatsD; the console has its shipped rules and intervals. No page is open,
unless `--page` opens the overview and follows its live updates, as a browser does. Prints each figure beside its limit;
`--strict` exits 1 where one is missed.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator

import psutil
from _stage import airflow, console, folder, machine, run, well

CPU_LIMIT, MEMORY_LIMIT = 2.0, 200.0
"""Per cent of a core, MB."""


def main() -> int:
    given = options()
    with folder() as place, airflow(given.version, place) as lab, console(lab, place) as watched:
        well(watched)
        with open_page(watched) if given.page else contextlib.nullcontext():
            print(f"Airflow {given.version}, console {watched.pid}, {machine()}", flush=True)
            time.sleep(given.warm_up)
            held = measure(psutil.Process(watched.pid), given.minutes)
    return 0 if held or not given.strict else 1


def options() -> argparse.Namespace:
    known = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known.add_argument("--version", default="3.3.2", help="of Airflow")
    known.add_argument("--minutes", type=int, default=3)
    known.add_argument("--warm-up", type=float, default=120, help="seconds before the measurement")
    known.add_argument("--page", action="store_true", help="with the overview open")
    known.add_argument("--strict", action="store_true")
    return known.parse_args()


def measure(process: psutil.Process, minutes: int) -> bool:
    began, before = time.perf_counter(), used(process)
    for minute in range(1, minutes + 1):
        start, at = used(process), time.perf_counter()
        time.sleep(60)
        spent = used(process) - start
        print(f"minute {minute}: {spent / (time.perf_counter() - at):.2%} of a core, RSS {rss(process):.0f} MB", flush=True)
    share = 100 * (used(process) - before) / (time.perf_counter() - began)
    memory = process.memory_full_info()
    results = [
        report("CPU", share, "% of a core", CPU_LIMIT),
        report("resident memory (RSS)", memory.rss / 1e6, "MB", MEMORY_LIMIT),
    ]
    print(f"{'of it its own (USS)':<24} {memory.uss / 1e6:>8.2f} MB")
    return all(results)


def used(process: psutil.Process) -> float:
    """CPU seconds so far, those of the kernel for it included."""
    times = process.cpu_times()
    return times.user + times.system


def rss(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def report(what: str, value: float, unit: str, limit: float) -> bool:
    held = value < limit
    print(f"{what:<24} {value:>8.2f} {unit:<12} < {limit:g}: {'target met' if held else 'target missed'}")
    return held


@contextlib.contextmanager
def open_page(watched) -> Iterator[None]:  # type: ignore[no-untyped-def]
    from tests.support.browser import chromium, logged_in

    with chromium() as browser:
        logged_in(browser, watched.url, watched.password)
        yield


if __name__ == "__main__":
    sys.exit(run(main))
