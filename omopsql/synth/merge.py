"""``merge``: what several sites learned, added up. A model tells by its columns what it is of: a table, or a CDM."""

from __future__ import annotations

from omopsql.errors import OmopsqlError
from omopsql.quoting import literal
from omopsql.registry import expression
from omopsql.session import Caller

from .listed import names_in, read_table
from .model import SCHEMA


@expression(
    family="synth",
    examples=(
        "SELECT label FROM omopsql.merge(['hospital_model', 'second_hospital_model']) WHERE statistic = 'merged' "
        "--> small cells were suppressed before merging",
        "SELECT n FROM omopsql.merge(['first_part', 'second_part']) WHERE statistic = 'model' --> 4000",
    ),
)
def merge(caller: Caller, models: str, for_merge: bool = False) -> str:
    """Add up what sites learned with cdm_fit or copula_fit, in any order.

    models is a list of tables or Parquet files, as in ['a.parquet', 'b.parquet']. What was fitted with for_merge :=
    true is exact: the sum equals a fit of all their persons or rows together, and small cells are suppressed once, on
    the sum; for_merge := true keeps it exact and private, to be added further or to be the margins of a next round.
    Models of hospitals whose small cells are suppressed already can be added too; the sum is marked by a row of
    statistic merged. Models of tables that were fitted with epsilon, all of them, make one by arithmetic on what they
    released, which spends nothing. Models of differing versions, CDMs, min_cell or margins, and a mixture of kinds, are
    refused.
    """
    with caller.cursor() as cursor:
        names = names_in(cursor, models)
        is_table = {name: set(SCHEMA.names) <= set(read_table(cursor, name).column_names) for name in names}
    if len(set(is_table.values())) > 1:
        of_tables, of_cdms = ([name for name in names if is_table[name] == kind] for kind in (True, False))
        raise OmopsqlError(f"{of_tables[0]} is of one table, and {of_cdms[0]} of a CDM: merge models of one kind")
    function = "copula_merge" if is_table[names[0]] else "cdm_merge"
    return f"FROM omopsql.{function}([{', '.join(map(literal, names))}], for_merge := {str(for_merge).lower()})"
