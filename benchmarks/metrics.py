"""The metrics engine beside a real Prometheus, same data, same run: CPU seconds and wall.

Run: `python benchmarks/metrics.py [--only queries,rules] [--scale 10] [--rounds 5] [--hours 6] [--strict]`; needs Debian's
prometheus.
"""

import argparse
import asyncio
import importlib
import pkgutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import sections
from benchmarks.peers.figures import Figure, Options, table


def main() -> int:
    known = sorted(module.name for module in pkgutil.iter_modules(sections.__path__))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(known), help=f"sections, of {', '.join(known)}")
    parser.add_argument("--scale", type=int, default=1, help="how many times as many series")
    parser.add_argument("--hours", type=int, default=6, help="how many hours of samples queries read")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    given = parser.parse_args()
    wanted = given.only.split(",")
    if unknown := set(wanted) - set(known):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    options, figures = Options(given.scale, given.rounds, given.hours), []
    for name in wanted:
        print(f"== {name}", flush=True)
        found: list[Figure] = asyncio.run(importlib.import_module(f"benchmarks.sections.{name}").run(options))
        print(table(found), flush=True)
        figures += found
    return int(given.strict and not all(figure.held for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
