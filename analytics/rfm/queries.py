"""What page, file and API ask: the grid, the cuts and the scores of one moment."""

from dataclasses import dataclass
from datetime import datetime

from analytics.events.budget import whole_budget
from analytics.figures.lasting import lasting
from analytics.rfm.layers import Cuts, RfmQuestion, cells, cuts_of, score_counts
from crm.agents.models import User


@dataclass(frozen=True)
class Layers:
    """(layer, stage) → customers and cents; the cuts; per measure how many have each score."""

    cells: dict[tuple[str, str], tuple[int, int]]
    cuts: Cuts
    scores: dict[str, dict[int, int]]
    data_time: datetime


def read_layers(question: RfmQuestion, *, user: User, now: datetime) -> Layers:
    """The answer within the user's scope."""

    def ask() -> Layers:
        with whole_budget():
            return Layers(
                cells(question, user=user),
                cuts_of(question),
                score_counts(question, user=user),
                now,
            )

    return lasting("rfm", question.as_json(), user=user, ask=ask)
