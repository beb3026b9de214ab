"""Achilles' analyses as data: what each one counts, by which strata, and the SQL file that answers it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from omopsql.errors import OmopsqlError
from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from .stories import rows

_NUMBER_LIST = re.compile(r"\s*\[?\s*(\d+(\s*,\s*\d+)*)?\s*\]?\s*")


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    ``story`` is the SQL file that answers it, under the name ``shape``. ``events`` are the event tables that the file
    is run for, none when it reads tables by their own names. ``needs`` are the columns, as ``table.column``, without
    which this one shape has no answer; ``event`` stands for the event table.
    """

    id: int
    name: str
    strata: tuple[str, ...]
    category: str
    is_default: bool
    is_distribution: bool
    story: str
    shape: str
    events: tuple[str, ...]
    needs: tuple[str, ...]


@cache
def every_analysis() -> tuple[Analysis, ...]:
    """Return all analyses, by number."""
    return tuple(
        Analysis(
            id=int(row["analysis_id"]),
            name=row["analysis_name"],
            strata=tuple(row[f"stratum_{place}_name"] for place in range(1, 6)),
            category=row["category"],
            is_default=row["is_default"] == "true",
            is_distribution=row["is_distribution"] == "true",
            story=row["story"],
            shape=row["shape"],
            events=tuple(row["cdm_table"].split()),
            needs=tuple(row["needs"].split()),
        )
        for row in rows("analyses.csv")
    )


def chosen_analyses(numbers: str | None, default_only: bool) -> list[Analysis]:
    """Return the analyses of a list of numbers, as SQL writes it: ``[401, 402]``. Without one, those run by default.

    Raises OmopsqlError for what is no list of numbers, and for a number that no analysis has.
    """
    if numbers is None:
        return [analysis for analysis in every_analysis() if analysis.is_default or not default_only]
    if not _NUMBER_LIST.fullmatch(numbers):
        raise OmopsqlError(f"analyses is {numbers!r}; give a list of numbers such as [401, 402]")
    asked = {int(number) for number in re.findall(r"\d+", numbers)}
    unknown = sorted(asked - {analysis.id for analysis in every_analysis()})
    if unknown:
        raise OmopsqlError(
            f"analyses names {unknown[0]}, which omopsql does not answer; see FROM omopsql.achilles_analysis()"
        )
    return [analysis for analysis in every_analysis() if analysis.id in asked]


@expression(
    family="quality",
    examples=(
        "SELECT analysis_name FROM omopsql.achilles_analysis() WHERE analysis_id = 401 --> Conditions by concept",
    ),
)
def achilles_analysis(caller: Caller) -> str:
    """List the analyses of characterize: number, name, names of the strata, category, kind.

    Columns are those of Achilles' table achilles_analysis, is_default as 1 or 0 like there, and is_distribution, which
    tells whether the analysis answers a distribution (achilles_results_dist) or counts (achilles_results).
    """
    rows = ", ".join(_listed(analysis) for analysis in every_analysis())
    strata = ", ".join(f"stratum_{place}_name" for place in range(1, 6))
    return (
        f"FROM (VALUES {rows}) "
        f"AS analysis (analysis_id, analysis_name, {strata}, is_default, category, is_distribution)"
    )


def _listed(analysis: Analysis) -> str:
    strata = ", ".join(literal(name) if name else "NULL" for name in analysis.strata)
    flags = f"{int(analysis.is_default)}, {literal(analysis.category)}, {str(analysis.is_distribution).lower()}"
    return f"({analysis.id}, {literal(analysis.name)}, {strata}, {flags})"
