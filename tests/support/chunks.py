"""Chunks of one series, as the first versions of the store wrote them."""

import struct

import numpy as np
from pcodec import ChunkConfig
from pcodec.standalone import simple_compress


def encode(times: np.ndarray, values: np.ndarray) -> bytes:
    config = ChunkConfig(compression_level=8)
    head = simple_compress(np.ascontiguousarray(times), config)
    tail = simple_compress(np.ascontiguousarray(values), config)
    return b"".join([struct.pack("<BI", 1, len(head)), head, tail])
