"""Weights by logistic regression with a penalty.

Scipy's minimiser does the work; it is here for other reports already, while scikit-learn or
statsmodels would bring a hundred megabytes for one formula with an exact gradient. The penalty (a
normal prior of one on every standardised weight) keeps a feature that nearly never varies from
taking a huge weight; the intercept is free.
"""

from dataclasses import dataclass

import numpy as np

from crm.risk.features import FEATURES, taken

PENALTY = 1.0


@dataclass(frozen=True)
class Fit:
    """Weights of standardised features, and how they were standardised."""

    intercept: float
    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """The probability of a deletion for rows of raw features."""
        from scipy.special import (
            expit,  # Heavy, and needed where probabilities are worked out only.
        )

        return expit(self.intercept + (design(raw) - self.means) / self.sds @ self.weights)

    def as_rows(self) -> list[dict[str, float | str]]:
        """The weights as they are published."""
        numbers = zip(FEATURES, self.weights, self.means, self.sds, strict=True)
        return [
            {"code": f.code, "weight": float(w), "mean": float(mean), "sd": float(sd)}
            for f, w, mean, sd in numbers
        ]


def design(raw: np.ndarray) -> np.ndarray:
    """Raw features as a model takes them, column by column."""
    columns = []
    for place, feature in enumerate(FEATURES):
        capped = np.minimum(raw[:, place], feature.most)
        columns.append(np.log1p(capped) if feature.is_log else capped)
    return np.column_stack(columns)


def fit(raw: np.ndarray, deleted: np.ndarray) -> Fit:
    """The weights that explain these outcomes best, less the penalty."""
    from scipy.optimize import minimize
    from scipy.special import expit

    features = design(raw)
    means, sds = features.mean(axis=0), features.std(axis=0)
    sds = np.where(sds > 1e-9, sds, 1.0)
    x = np.column_stack([np.ones(len(features)), (features - means) / sds])
    share = deleted.mean()
    start = np.zeros(x.shape[1])
    start[0] = np.log(share / (1 - share))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        scores = x @ w
        held = np.concatenate([[0.0], w[1:]])
        value = np.logaddexp(0, scores).sum() - deleted @ scores + PENALTY / 2 * held @ held
        return value, x.T @ (expit(scores) - deleted) + PENALTY * held

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return Fit(float(found.x[0]), found.x[1:], means, sds)


def odds_of_step(feature_place: int, weight: dict[str, float]) -> float:
    """By what factor the odds change between the two values that are shown to people."""
    feature = FEATURES[feature_place]
    low, high = (taken(feature, value) for value in feature.shown)
    return float(np.exp(weight["weight"] * (high - low) / weight["sd"]))
