"""CUPED: take away what was known before the draw, so that the same people say more.

Y' = Y - theta (X - mean X), with theta from all arms together; several covariates enter by least
squares. X must have been measured strictly before assignment. A missing X is the mean, plus a flag
that enters as a covariate of its own. The variance falls by about the squared correlation.

Source: Deng, Xu, Kohavi, Walker 2013, WSDM.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Adjusted:
    """Outcomes after adjustment, and the share of their variance that the covariates explained."""

    values: np.ndarray
    explained: float


def adjust(outcome: np.ndarray, covariates: np.ndarray) -> Adjusted:
    """Adjust n outcomes by an (n, k) array of covariates; NaN is missing."""
    columns = _columns(covariates)
    centred = outcome - outcome.mean()
    spread = float(centred @ centred)
    if not columns.shape[1] or not spread:
        return Adjusted(outcome, 0.0)
    theta, *_rest = np.linalg.lstsq(columns, centred, rcond=None)
    fitted = columns @ theta
    return Adjusted(outcome - fitted, float(fitted @ fitted) / spread)


def _columns(covariates: np.ndarray) -> np.ndarray:
    """Centred covariates with flags of missing values; columns that never vary say nothing."""
    missing = np.isnan(covariates)
    known = np.where(missing, 0.0, covariates)
    counts = np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, known.sum(axis=0) / counts, covariates)
    columns = np.hstack([filled, missing.astype(float)])
    columns = columns - columns.mean(axis=0)
    scale = np.sqrt((columns**2).mean(axis=0))
    varying = scale > 1e-12
    return columns[:, varying] / scale[varying]
