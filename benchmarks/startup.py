"""What it costs to start: CPU seconds of the commands that people type, beside an interpreter that does nothing.

    python benchmarks/startup.py [--rounds 7] [--strict]

Each command runs as a process of its own; the middle of its rounds counts. CPU is told rather than time on the wall, which other
work on the machine stretches. `--strict` exits 1 where a limit is missed.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile

from _stage import machine

COMMANDS = {
    "python -c pass": (["-c", "pass"], None),
    "opsconsole --help": (["-m", "opsconsole", "--help"], 0.5),
    "opsconsole query --help": (["-m", "opsconsole", "query", "--help"], 0.5),
    "opsconsole check": (["-m", "opsconsole", "check"], None),
}
"""Arguments, and CPU seconds that they may take."""


def main() -> int:
    known = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known.add_argument("--rounds", type=int, default=7)
    known.add_argument("--strict", action="store_true")
    given = known.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        held = [told(name, arguments, limit, folder, given.rounds) for name, (arguments, limit) in COMMANDS.items()]
    return 0 if all(held) or not given.strict else 1


def told(name: str, arguments: list[str], limit: float | None, folder: str, rounds: int) -> bool:
    spent = statistics.median(cpu_seconds(arguments, folder) for _ in range(rounds))
    held = limit is None or spent <= limit
    target = "" if limit is None else f"<= {limit:g}: {'target met' if held else 'target missed'}"
    print(f"{name:<26} {spent:>6.2f} s of CPU  {target}", flush=True)
    return held


def cpu_seconds(arguments: list[str], folder: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
