"""Which k of many win, to the letter: among equals, whichever Prometheus' heap happens to keep."""

import math
from collections.abc import Callable, Sequence

_Less = Callable[[float, float], bool]


def winners(values: Sequence[float], k: int, *, largest: bool, compat: int) -> list[int]:
    """Positions of the k best of `values`, in no order.

    The loser of those kept stands on top of a binary heap (Go's container/heap) and gives way to a better one; Prometheus 2
    popped it and pushed the new one, 3 puts the new one in its place (prometheus/prometheus, `promql/engine.go`).
    """
    less = _below if largest else _above
    heap: list[int] = []
    for position, value in enumerate(values):
        if len(heap) < k:
            heap.append(position)
            _up(heap, values, less, len(heap) - 1)
        elif _yields(values[heap[0]], value, less, compat):
            _replace(heap, values, less, position, compat)
    return heap


def _yields(worst: float, value: float, less: _Less, compat: int) -> bool:
    if math.isnan(worst):
        return compat == 2 or not math.isnan(value)
    return not math.isnan(value) and less(worst, value)


def _replace(heap: list[int], values: Sequence[float], less: _Less, position: int, compat: int) -> None:
    if compat == 2 and len(heap) > 1:
        heap[0], heap[-1] = heap[-1], heap[0]
        heap.pop()
        _down(heap, values, less)
        heap.append(position)
        _up(heap, values, less, len(heap) - 1)
    else:
        heap[0] = position
        _down(heap, values, less)


def _below(one: float, other: float) -> bool:
    return math.isnan(one) or one < other


def _above(one: float, other: float) -> bool:
    return math.isnan(one) or one > other


def _up(heap: list[int], values: Sequence[float], less: _Less, child: int) -> None:
    while child > 0:
        parent = (child - 1) // 2
        if not less(values[heap[child]], values[heap[parent]]):
            return
        heap[child], heap[parent] = heap[parent], heap[child]
        child = parent


def _down(heap: list[int], values: Sequence[float], less: _Less) -> None:
    parent = 0
    while (child := 2 * parent + 1) < len(heap):
        if child + 1 < len(heap) and less(values[heap[child + 1]], values[heap[child]]):
            child += 1
        if not less(values[heap[child]], values[heap[parent]]):
            return
        heap[child], heap[parent] = heap[parent], heap[child]
        parent = child
