"""What was appended and is not in the database yet."""

from collections import deque

import numpy as np

from opsconsole.tsdb.codec import Batch


class Journal:
    """Batches in order of arrival."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self.count = 0

    def add(self, batch: Batch) -> None:
        if len(batch.ids):
            self._batches.append(batch)
            self.count += len(batch.ids)

    def take(self) -> Batch | None:
        """Everything, as one batch; the journal is empty afterwards."""
        if not self._batches:
            return None
        batches = list(self._batches)
        self._batches.clear()
        self.count = 0
        if len(batches) == 1:
            return batches[0]
        ids, times, values = zip(*batches, strict=True)
        return Batch(np.concatenate(ids), np.concatenate(times), np.concatenate(values))

    def give_back(self, batch: Batch) -> None:
        """What `take` gave and could not be written, before anything newer."""
        self._batches.appendleft(batch)
        self.count += len(batch.ids)
