"""The answer of a transition question: one count for each pair of stages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from analytics.charts.rates import Rate
from analytics.transitions.question import DEFINITION_VERSION, TransitionQuestion


@dataclass(frozen=True)
class TransitionAnswer:
    """`counts[i, j]` customers stood in stage i on the first date and in stage j on the second."""

    question: TransitionQuestion
    counts: np.ndarray
    data_time: datetime

    @property
    def customers(self) -> int:
        return int(self.counts.sum())

    def share(self, before: int, after: int) -> Rate:
        """Of those who stood in `before`, who stand in `after`."""
        return Rate(int(self.counts[before, after]), int(self.counts[before].sum()))

    def as_json(self) -> dict[str, Any]:
        """The answer as command and API print it."""
        stages = self.question.stages
        places = range(len(stages))
        return {
            "question": self.question.as_json(),
            "stages": list(stages),
            "customers": self.customers,
            "matrix": {
                stages[i]: {stages[j]: int(self.counts[i, j]) for j in places} for i in places
            },
            "before": {stages[i]: int(self.counts[i].sum()) for i in places},
            "after": {stages[j]: int(self.counts[:, j].sum()) for j in places},
            "transitions": [
                {"from": stages[i], "to": stages[j], "customers": int(self.counts[i, j])}
                | {"rate": self.share(i, j).as_json()}
                for i in places
                for j in places
                if self.counts[i, j]
            ],
            "data_time": self.data_time.isoformat(),
            "definition_version": DEFINITION_VERSION,
        }
