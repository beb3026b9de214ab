"""Achilles' two tables of results, for tools that read those: Atlas, Ares."""

from __future__ import annotations

from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from .analyses import every_analysis
from .characterize import DISTRIBUTION, STRATA

_SOURCE = 0  # the one analysis that stands in both tables


@expression(
    family="quality",
    examples=("SELECT count_value FROM omopsql.achilles_results('omopsql_demo/cdm') WHERE analysis_id = 1 --> 2000",),
)
def achilles_results(caller: Caller, cdm: str, min_cell: int = 10) -> str:
    """Return Achilles' table achilles_results of a CDM: what omopsql.characterize counts by default.

    Columns are analysis_id, stratum_1 to stratum_5 and count_value. cdm and min_cell are as for omopsql.characterize.
    """
    return f"SELECT analysis_id, {', '.join(STRATA)}, count_value {_characterized(cdm, min_cell, distributions=False)}"


@expression(
    family="quality",
    examples=(
        "SELECT count_value FROM omopsql.achilles_results_dist('omopsql_demo/cdm') WHERE analysis_id = 103 --> 2000",
    ),
)
def achilles_results_dist(caller: Caller, cdm: str, min_cell: int = 10) -> str:
    """Return Achilles' table achilles_results_dist of a CDM: the distributions of omopsql.characterize by default.

    Columns are analysis_id, stratum_1 to stratum_5, count_value, and min_value to p90_value. cdm and min_cell are as
    for omopsql.characterize.
    """
    measures = ", ".join(f"{measure}_value" for measure in DISTRIBUTION)
    first, *others = STRATA
    strata = ", ".join(f"CASE WHEN analysis_id <> {_SOURCE} THEN {name} END AS {name}" for name in others)
    of_cdm = _characterized(cdm, min_cell, distributions=True)
    return f"SELECT analysis_id, {first}, {strata}, count_value, {measures} {of_cdm}"


def _characterized(cdm: str, min_cell: int, distributions: bool) -> str:
    numbers = [
        analysis.id
        for analysis in every_analysis()
        if analysis.is_default and (analysis.is_distribution == distributions or analysis.id == _SOURCE)
    ]
    return f"FROM omopsql.characterize({literal(cdm)}, min_cell := {min_cell}, analyses := {numbers})"
