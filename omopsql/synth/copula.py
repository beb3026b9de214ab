"""The method ``copula``: one latent normal number a column, correlated as the data are.

Where it pays, one column stratifies the others: their margins are counted in each of its bins, and the correlation is
that within bins. Cells without order are put in the order that agrees best with the other columns. The model holds
integer sums over rows: the table of the stratifying column with every other, and sums of products of normal scores.
Sources: stratified Gaussian copula; scores and their attenuation as in ``hermite``; the nearest correlation matrix.
"""

from __future__ import annotations

from .arrays import Arrays
from .columns import LEARNED
from .copula_fit import fit_copula
from .copula_tables import copula_of, put_copula
from .joint import read_joint
from .model import Model

__all__ = ["compile_copula", "fit_copula"]


def compile_copula(model: Model, arrays: Arrays, given: dict[int, int]) -> int:
    """Put the tables of a model of this method, and return their offset: the header's word JOINT.

    ``given`` fixes cells: learned column (by position) -> cell. The tables follow from the model table alone.
    """
    learned = [margin for margin in model.margins if margin.column.kind in LEARNED]
    joint, latents = read_joint(model.joint, learned, model.rows)
    return put_copula(arrays, copula_of(joint, latents, model.min_cell), given)
