"""Names as vectors of weighted words and letter triples, and the nearest names by the cosine between them.

A word or triple weighs the more, the fewer names have it (TF-IDF; Salton and Buckley 1988,
doi:10.1016/0306-4573(88)90021-0). They are hashed, so that no dictionary grows with the vocabulary, and names pass by
in blocks: memory does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numba import njit

_HASHES = 1 << 20  # for words, and as many for letter triples
_WORDS = 0.4  # weight of the words in the cosine; the rest is the letters'


@cache
def _counters() -> tuple[Any, Any]:
    """Count words, and letter triples within words. scikit-learn is loaded when the first name is compared."""
    from sklearn.feature_extraction.text import HashingVectorizer

    shared = {"n_features": _HASHES, "norm": None, "alternate_sign": False, "lowercase": False, "dtype": np.float32}
    return (
        HashingVectorizer(token_pattern=r"\S+", **shared),
        HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), **shared),
    )


def _counts(texts: Sequence[str]) -> list[Any]:
    """Two sparse matrices (names, hashes), of words and of triples, with dampened counts: 1 + ln(n)."""
    counted = [counter.transform(texts) for counter in _counters()]
    for matrix in counted:
        matrix.data = 1 + np.log(matrix.data)
    return counted


class Weights:
    """What a word or triple weighs, learned from a sample of names."""

    def __init__(self, sample: Sequence[str]) -> None:
        names = [np.bincount(matrix.indices, minlength=_HASHES) for matrix in _counts(sample)]
        self._rarity = [(np.log((1 + len(sample)) / (1 + n)) + 1).astype(np.float32) for n in names]

    def vectors(self, texts: Sequence[str]) -> Any:
        """Sparse rows of length 1, one a name: its words before its triples, each part with its share."""
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        parts = []
        for matrix, rarity, share in zip(_counts(texts), self._rarity, (_WORDS, 1 - _WORDS), strict=True):
            matrix.data *= rarity[matrix.indices]
            parts.append(normalize(matrix, copy=False) * np.float32(np.sqrt(share)))
        return hstack(parts, format="csr")


class Nearest:
    """The ``k`` concepts nearest to each code so far, by the nearest pair of their names.

    texts: one or more wordings of each code; code_of: the code that each words, from 0. favour (codes, kinds) is what
    a similarity is multiplied with by the kind of its concept: 1, less where it is unlikely, 0 where it is ruled out.
    After ``look_at``: scores (codes, k), best first, and concepts (codes, k), -1 where there is none.
    """

    def __init__(self, weights: Weights, texts: Sequence[str], code_of: np.ndarray, favour: np.ndarray, k: int) -> None:
        self._weights, self._code_of, self._favour = weights, code_of.astype(np.int64), favour.astype(np.float32)
        wordings = weights.vectors(texts)
        self._features = np.unique(wordings.indices)
        self._wordings = wordings[:, self._features]
        self.scores = np.zeros((len(favour), k), np.float32)
        self.concepts = np.full((len(favour), k), -1, np.int64)

    def look_at(self, names: Sequence[str], concepts: np.ndarray, kinds: np.ndarray) -> None:
        """Compare every code with names of concepts. concepts and kinds: those of each name."""
        by_feature = self._weights.vectors(names)[:, self._features].tocsc()
        wordings = self._wordings
        _compare(
            (wordings.indptr, wordings.indices, wordings.data, self._code_of),
            (by_feature.indptr, by_feature.indices, by_feature.data),
            concepts.astype(np.int64),
            kinds.astype(np.int64),
            self._favour,
            self.scores,
            self.concepts,
        )


@njit(nogil=True, cache=True)
def _compare(wordings, by_feature, concepts, kinds, favour, scores, found):
    """Add up what each wording has in common with each name, and keep the best concepts of its code."""
    starts, features, weights, code_of = wordings
    name_starts, names, name_weights = by_feature
    cosines = np.empty(concepts.size, np.float32)
    for wording in range(code_of.size):
        cosines[:] = 0
        for i in range(starts[wording], starts[wording + 1]):
            for j in range(name_starts[features[i]], name_starts[features[i] + 1]):
                cosines[names[j]] += weights[i] * name_weights[j]
        code = code_of[wording]
        for name in range(concepts.size):
            if cosines[name] > scores[code, -1]:
                score = cosines[name] * favour[code, kinds[name]]
                if score > scores[code, -1]:
                    _insert(scores[code], found[code], score, concepts[name])


@njit(nogil=True)
def _insert(scores, found, score, concept):
    """Put a concept where its score belongs. Of equal scores the one that came first stays before."""
    place = scores.size - 1
    for i in range(scores.size):
        if found[i] == concept:
            if scores[i] >= score:
                return
            place = i
            break
    while place > 0 and scores[place - 1] < score:
        scores[place], found[place] = scores[place - 1], found[place - 1]
        place -= 1
    scores[place], found[place] = score, concept
