"""The SQL function ``privacy``: every attack on one release of synthetic data, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.evaluate.metric import SCHEMA, Metric, to_table
from omopsql.evaluate.sources import all_cdm
from omopsql.registry import routine
from omopsql.session import Caller

from .copies import copies, holdout_overlap, k_map, near_copies, singled_out, unique_copies, uniqueness
from .hospital import open_hospital
from .linking import halves_of, inference, linkability
from .membership import membership
from .nearness import nearness, points_of
from .shadows import Shadows, shadow_models
from .singling_out import singling_out
from .subjects import Subjects, open_flat


@routine(
    family="privacy",
    schema=SCHEMA,
    examples=(
        "SELECT verdict FROM omopsql.privacy('patients.parquet', 'patients.parquet', 'patients.parquet') "
        "WHERE metric = 'uniqueness' --> told",
    ),
)
def privacy(
    caller: Caller,
    real: str,
    synthetic: str,
    holdout: str | None = None,
    person: str | None = None,
    known: str | None = None,
    secret: str | None = None,
    seed: int = 0,
) -> pa.Table:
    """Attack synthetic data as one would who wants to learn about the real persons, and tell what that yields.

    One row for each attack and subject: value, its 95 % interval, what it would be for persons whom the generator
    never saw (reference), and a verdict. real, synthetic and holdout are tables or files, or all three CDMs (a schema
    or a folder), where a person is what all tables know of him. holdout holds real persons whom the generator never
    saw; without it most attacks have no control and are not computed. person is a key, which is not compared. known
    lists the columns that an attacker knows, as in 'sex, birth_year'; secret those that he wants, by default each.
    An attack that passes failed here; it is no proof that none succeeds.
    """
    if seed < 0:
        raise OmopsqlError(f"seed is {seed}; give 0 or more")
    with caller.cursor() as cursor:
        sources = (real, synthetic, holdout)
        if all_cdm(cursor, sources):
            subjects = open_hospital(cursor, sources, person, known, secret, seed)
        else:
            subjects = open_flat(cursor, sources, person, known, secret, seed)
    return to_table(metrics(subjects, seed))


def metrics(subjects: Subjects, seed: int) -> Iterator[Metric]:
    """Yield every number of an evaluation of privacy."""
    sides = subjects.sides
    points = points_of(subjects.vectors, seed)

    @cache
    def shadows() -> Shadows:
        return shadow_models(sides, seed)

    yield holdout_overlap(subjects)
    yield from copies(subjects)
    yield from near_copies(points)
    yield from unique_copies(subjects)
    yield from uniqueness(subjects)
    yield from k_map(subjects)
    yield singled_out(subjects)
    yield from singling_out(sides, seed)
    yield linkability(sides, halves_of(subjects.known or sides.columns), seed)
    yield from inference(subjects, seed)
    yield from membership(points, shadows, seed)
    yield from nearness(points, seed)
