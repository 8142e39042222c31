"""A UDP socket that is read a thousand datagrams at a call, where the system can."""

import array
import ctypes
import errno
import os
import socket
import struct
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from opsconsole.collectors.statsd_settings import split_address
from opsconsole.model import OpsConsoleError

BATCH = 1024
SIZE = 8192
"""Bytes kept of a datagram: a jumbo frame is smaller, DogStatsD's default is 1432."""
WISHED_BUFFER = 64 << 20
_SO_RCVBUFFORCE, _SO_MEMINFO, _MEMINFO_DROPS = 33, 55, 8
_MSG_DONTWAIT, _MSG_TRUNC = 0x40, 0x20


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


def listen(address: str) -> socket.socket:
    """A bound, non-blocking socket with as large a buffer as the system gives. Raises `OpsConsoleError`."""
    host, port = split_address(address)
    try:
        family, kind, proto, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        raise OpsConsoleError(f"StatsD: cannot listen on {address}: {error.strerror}") from error
    try:
        if family == socket.AF_INET6 and host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(place)
    except OSError as error:
        sock.close()
        raise OpsConsoleError(f"StatsD: cannot listen on {address} (UDP): {_mend(error)}") from error
    sock.setblocking(False)
    _widen(sock)
    return sock


def _mend(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program has this port: stop it, or set another address in listeners.statsd.listen"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address: set listeners.statsd.listen"
    return error.strerror or str(error)


def _widen(sock: socket.socket) -> None:
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, WISHED_BUFFER)
        except OSError:
            continue
        return


def buffer_size(sock: socket.socket) -> int:
    """The bytes that the kernel keeps for us, its bookkeeping included."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def kernel_drops(sock: socket.socket) -> int | None:
    """Datagrams that the kernel threw away since the socket was opened; None where it does not say."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
        return int(struct.unpack_from("I", info, 4 * _MEMINFO_DROPS)[0])
    except (OSError, struct.error):
        return _drops_of_inode(os.fstat(sock.fileno()).st_ino)


def _drops_of_inode(inode: int) -> int | None:
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            with open(table, encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
        except OSError:
            continue
        for row in rows:
            if row[9] == str(inode):
                return int(row[12])
    return None


class Reader:
    """Reads what has arrived, without waiting: by `recvmmsg` on Linux, else one by one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.truncated = 0
        self._recvmmsg = _recvmmsg()
        if self._recvmmsg is not None:
            self._prepare()

    def _prepare(self) -> None:
        self._data = array.array("B", bytes(BATCH * SIZE))
        base, _ = self._data.buffer_info()
        parts = (_IoVec * BATCH)(*(_IoVec(base + index * SIZE, SIZE) for index in range(BATCH)))
        self._messages = (_MMsgHdr * BATCH)()
        at, size = ctypes.addressof(parts), ctypes.sizeof(_IoVec)
        for index, message in enumerate(self._messages):
            message.header.parts, message.header.part_count = at + index * size, 1
        self._parts, self._view = parts, memoryview(self._data)
        words = np.frombuffer(memoryview(self._messages).cast("B"), dtype=np.uint8).reshape(BATCH, ctypes.sizeof(_MMsgHdr))
        self._lengths = _column(words, _MMsgHdr.length.offset)
        self._flags = _column(words, _MMsgHdr.header.offset + _MsgHdr.flags.offset)

    def read(self) -> list[bytes]:
        """Up to `BATCH` datagrams; none when none waits."""
        if self._recvmmsg is None:
            return self._one_by_one()
        count = self._recvmmsg(self._sock.fileno(), self._messages, BATCH, _MSG_DONTWAIT, None)
        if count <= 0:
            return []
        view, start = self._view, 0
        datagrams = []
        for length in self._lengths[:count].tolist():
            datagrams.append(bytes(view[start : start + length]))
            start += SIZE
        if (self._flags[:count] & _MSG_TRUNC).any():
            return [self._whole(datagram) for datagram in datagrams]
        return datagrams

    def _whole(self, datagram: bytes) -> bytes:
        """A datagram that was too long for us, without its last line, which is not whole."""
        if len(datagram) < SIZE:
            return datagram
        self.truncated += 1
        return datagram.rpartition(b"\n")[0]

    def _one_by_one(self) -> list[bytes]:
        datagrams: list[bytes] = []
        while len(datagrams) < BATCH:
            try:
                datagrams.append(self._whole(self._sock.recv(SIZE)))
            except OSError:
                break
        return datagrams


def _column(words: npt.NDArray[np.uint8], offset: int) -> npt.NDArray[np.uint32]:
    """The 32-bit field at `offset` of every row, as a view."""
    return words[:, offset : offset + 4].view(np.uint32)[:, 0]


def _recvmmsg() -> Any:
    if sys.platform != "linux":
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).recvmmsg
    except (OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    call.restype = ctypes.c_int
    return call
