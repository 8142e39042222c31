"""What Prometheus 2.42 does otherwise than 3, to the letter: its grammar with every complaint, and how it rounds.

The version is frozen, and so is this package: `promql_compat: 2` goes through it, so that answers and refusals can be held
against the original's.
"""

from opsconsole.promql.prometheus2.parser import parse, parse_selector

__all__ = ["parse", "parse_selector"]
