"""How well probabilities foretell outcomes: ranking, calibration, and against the plain average."""

from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np

from analytics.charts.rates import Rate, Z


@dataclass(frozen=True)
class Auc:
    """The share of pairs, one deleted and one not, that are ranked right; with its interval."""

    value: float
    low: float
    high: float


def auc(probabilities: np.ndarray, deleted: np.ndarray, customers: np.ndarray) -> Auc:
    """Obuchowski (1997): touches of one customer are not independent, so they count together.

    The interval is symmetric on the scale of log odds, which keeps it between 0 and 1.
    """
    from scipy.stats import rankdata  # Heavy: a second when it is first used.

    yes = deleted == 1
    n_yes, n_no = int(yes.sum()), int((~yes).sum())
    # How far each touch is ahead of the other side, ties by half.
    overall, own = rankdata(probabilities), np.empty(len(probabilities))
    own[yes], own[~yes] = rankdata(probabilities[yes]), rankdata(probabilities[~yes])
    ahead = np.where(yes, (overall - own) / n_no, 1 - (overall - own) / n_yes)
    value = float(ahead[yes].mean())
    _names, whose = np.unique(customers, return_inverse=True)
    people = int(whose.max()) + 1
    of_yes = np.bincount(whose[yes], ahead[yes] - value, people)
    of_no = np.bincount(whose[~yes], ahead[~yes] - value, people)
    spread = of_yes / n_yes + of_no / n_no
    variance = float((spread**2).sum()) * people / max(1, people - 1)
    if value in (0.0, 1.0):
        return Auc(value, value, value)
    centre, half = log(value / (1 - value)), Z * sqrt(variance) / (value * (1 - value))
    return Auc(value, 1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre)))


def brier(probabilities: np.ndarray, deleted: np.ndarray) -> float:
    """The mean square of how far the probabilities were from what happened."""
    return float(((probabilities - deleted) ** 2).mean())


def deciles(probabilities: np.ndarray, deleted: np.ndarray) -> list[dict[str, Any]]:
    """Ten groups of equal size by probability: what was foretold, and what happened."""
    order = np.argsort(probabilities, kind="stable")
    rows = []
    for place, chosen in enumerate(np.array_split(order, 10), 1):
        if not len(chosen):
            continue
        rate = Rate(int(deleted[chosen].sum()), len(chosen))
        rows.append(
            {"decile": place, "foretold": float(probabilities[chosen].mean()), **rate.as_json()}
        )
    return rows
