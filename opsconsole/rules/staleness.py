"""Prometheus' staleness marker, as a value to store."""

import struct

from opsconsole.model import STALE_NAN_BITS


def _marker() -> float:
    (value,) = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))
    return float(value)


STALE = _marker()
