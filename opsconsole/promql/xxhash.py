"""XXH64 of short texts (Yann Collet's specification, xxHash `doc/xxhash_spec.md`), with seed 0."""

_MASK = 0xFFFFFFFFFFFFFFFF
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_STRIPE = 32


def xxh64(data: bytes) -> int:
    at, size = 0, len(data)
    if size >= _STRIPE:
        lanes = [_P1 + _P2, _P2, 0, -_P1]
        while at + _STRIPE <= size:
            lanes = [_round(lane, _word(data, at + 8 * n)) for n, lane in enumerate(lanes)]
            at += _STRIPE
        found = sum(_turned(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            found = ((found ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        found = _P5
    return _avalanche(_rest(found + size, data[at:]))


def _rest(found: int, data: bytes) -> int:
    at = 0
    while at + 8 <= len(data):
        found = _turned(found ^ _round(0, _word(data, at)), 27) * _P1 + _P4
        at += 8
    if at + 4 <= len(data):
        found = _turned(found ^ (int.from_bytes(data[at : at + 4], "little") * _P1 & _MASK), 23) * _P2 + _P3
        at += 4
    for byte in data[at:]:
        found = _turned(found ^ (byte * _P5 & _MASK), 11) * _P1
    return found & _MASK


def _avalanche(found: int) -> int:
    found = (found ^ found >> 33) * _P2 & _MASK
    found = (found ^ found >> 29) * _P3 & _MASK
    return found ^ found >> 32


def _round(lane: int, word: int) -> int:
    return _turned(lane + word * _P2, 31) * _P1 & _MASK


def _turned(value: int, bits: int) -> int:
    value &= _MASK
    return (value << bits | value >> (64 - bits)) & _MASK


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
