"""The SQL functions of a whole hospital: ``cdm_fit``, ``cdm_sample``, ``cdm_tables``, ``cdm_describe``."""

from __future__ import annotations

import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.publish.policy import read_policy
from omopsql.registry import Options, expression, routine
from omopsql.session import Caller

from . import describe
from .fit import fit
from .given import read_wishes
from .merge import read_sums
from .noise.fit import MOST_CONCEPTS, Protection, fit_round_with_noise, fit_with_noise
from .served import Synthetic, open_hospital, table_sql
from .sums import SCHEMA


@routine(
    family="synth",
    schema=SCHEMA,
    examples=("SELECT n FROM omopsql.cdm_fit('omopsql_demo/cdm') WHERE statistic = 'hospital' --> 2000",),
)
def cdm_fit(
    caller: Caller,
    cdm: str,
    min_cell: int = 10,
    vocabulary: str | None = None,
    for_merge: bool = False,
    margins_only: bool = False,
    margins: str | None = None,
    policy: str | None = None,
    epsilon: float | None = None,
    delta: float = 1e-6,
    most_concepts: int = MOST_CONCEPTS,
) -> pa.Table:
    """Learn a whole CDM: a model as a table of numbers of persons, each over at least min_cell persons.

    cdm is a folder of Parquet or CSV files, or a schema. Concepts of fewer than min_cell persons count as an ancestor
    that has as many, found in the vocabulary (a folder; by default the one in use, if any), or are left out and
    listed. for_merge := true keeps the sums exact and private, to be added by omopsql.merge to those of other
    hospitals. For the very model that one fit of all persons would give, add two rounds: fit with margins_only :=
    true, merge, and fit again with the merged margins, given as a table or Parquet file. policy is a file that says
    what may be learned: what it denies is not read, and the model's first row tells its SHA-256.

    With epsilon, noise hides every single person in all tables together, and privacy_ledger lists what it cost; of each
    person so many concepts count as most_concepts says. A concept is then learned from some hundred persons on,
    whatever min_cell is. Each call spends epsilon anew. Hospitals that learn together take the two rounds, both with
    for_merge := true; each adds its noise, and epsilon is what both rounds cost.
    """
    rules = None if policy is None else read_policy(policy)
    noise = None if epsilon is None else Protection(epsilon, delta, most_concepts)
    if noise is not None and margins_only + (margins is not None) != for_merge:
        raise OmopsqlError(
            "with epsilon, sites that learn together say for_merge := true (--for-merge) and take two rounds: fit with "
            "margins_only := true (--margins-only), merge, and fit again with the merged margins (--margins)"
        )
    with caller.cursor() as cursor:
        common = None if margins is None else read_sums(cursor, margins)
        if noise is not None and for_merge:
            return fit_round_with_noise(cursor, cdm, noise, vocabulary, rules, common)[0]
        if noise is not None:
            return fit_with_noise(cursor, cdm, noise, vocabulary, rules)[0]
        return fit(cursor, cdm, min_cell, vocabulary, for_merge, margins_only, common, rules)[0]


@expression(
    family="synth",
    examples=(
        "SELECT count(*) FROM omopsql.cdm_sample('hospital_model', 'person', persons := 500) --> 500",
        "SELECT count(DISTINCT gender_concept_id) FROM omopsql.cdm_sample('hospital_model', 'person', persons := 50, "
        "given := {'gender_concept_id': 8532}) --> 1",
    ),
)
def cdm_sample(
    caller: Caller,
    model: str,
    cdm_table: str,
    persons: int = 1000,
    seed: int = 0,
    given: Options | None = None,
    shares: Options | None = None,
) -> str:
    """Generate one table of a synthetic hospital from a model of cdm_fit, with the columns of the CDM.

    model is the name of the model's table or its Parquet file. Tables of one model and seed fit together: their keys
    agree, and person 17 is the same in each, however many persons there are. A filter on person_id makes only those
    persons. given fixes what all persons have, as in {'gender_concept_id': 8532, 'condition': 201826, 'min_age': 40}:
    a concept of the tables condition, drug, procedure, device, measurement, observation or visit is had at least once.
    shares balances, as in {'gender_concept_id': {'8507': 0.5, '8532': 0.5}}. Eras are derived from the records; drugs'
    eras need a vocabulary in use.
    """
    with caller.cursor() as cursor:
        hospital, digest = open_hospital(cursor, model)
    wishes = read_wishes(hospital.items, given, shares)
    return table_sql(Synthetic(hospital, digest, persons, seed, wishes), cdm_table.lower())


@routine(
    family="synth",
    schema=pa.schema([("cdm_table", pa.string()), ("columns", pa.int64()), ("is_derived", pa.bool_())]),
    examples=("SELECT cdm_table FROM omopsql.cdm_tables('hospital_model') LIMIT 1 --> person",),
)
def cdm_tables(caller: Caller, model: str) -> pa.Table:
    """List the tables that cdm_sample makes from a model, and whether each is derived from others."""
    with caller.cursor() as cursor:
        hospital, digest = open_hospital(cursor, model)
    return Synthetic(hospital, digest, 0, 0, read_wishes(hospital.items, None, None)).listed()


@routine(
    family="synth",
    schema=describe.SCHEMA,
    examples=("SELECT n FROM omopsql.cdm_describe('hospital_model') WHERE statistic = 'hospital' --> 2000",),
)
def cdm_describe(caller: Caller, model: str) -> pa.Table:
    """Say in words what a model of cdm_fit holds: one row for each number in it.

    words tells what the n persons of a row have in common; subject is what the row is about. Concepts are named when a
    vocabulary is in use.
    """
    with caller.cursor() as cursor:
        return describe.described(cursor, read_sums(cursor, model), model)
