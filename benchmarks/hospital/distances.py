"""How far numbers of a synthetic hospital are from those of a real one: what the package computes, and a score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omopsql.evaluate.cdm.distances import ONE_THREAD, auroc, c2st, ks, log_r_squared, mean, r_squared

__all__ = ["ONE_THREAD", "Score", "auroc", "c2st", "ks", "log_r_squared", "mean", "r_squared"]


@dataclass(frozen=True)
class Score:
    """One measure: on the half that was not fitted, on the fitted half, and what one real half scores on the other."""

    value: float
    fitted: float = np.nan
    own: float = np.nan
