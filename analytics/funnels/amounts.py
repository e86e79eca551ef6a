"""Money along the chains: what the events of each step add up to, by cell."""

from dataclasses import dataclass
from threading import Lock

import numpy as np

from analytics.events.folding import Folded
from analytics.funnels.planning import Prepared


@dataclass(frozen=True)
class Amounts:
    """Hundredths of every event of a part, and their sums so far by (cell, step)."""

    of_events: tuple[np.ndarray, ...]
    cents: np.ndarray

    @classmethod
    def of(cls, prepared: Prepared) -> "Amounts":
        """Amounts of the events of all steps; nothing is summed yet."""
        source, question = prepared.source, prepared.question
        kinds = source.kind_ids({step.event for step in question.steps})
        tables = []
        for number, part in enumerate(source.parts):
            columns = part.columns
            amounts = np.zeros(columns.events, np.int64)
            for kind in set(kinds.values()):
                rows = np.flatnonzero(columns.kind_ids[columns.kinds] == kind)
                amounts[rows] = source.cents(kind, question.value, number)
            tables.append(amounts)
        shape = (len(prepared.cells), len(question.steps))
        return cls(tuple(tables), np.zeros(shape, np.int64))

    def take(self, block: Folded, lock: Lock) -> None:
        """Add the attempts of one block."""
        amounts = self.of_events[block.part]
        for step in range(self.cents.shape[1]):
            reached = (block.levels > step) & (block.cells >= 0)
            found = amounts[block.chain[step][reached]]
            with lock:
                np.add.at(self.cents[:, step], block.cells[reached], found)
