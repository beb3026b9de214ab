"""The SQL function ``policy_check``: a policy in words."""

from __future__ import annotations

import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller

from .read import read_policy


@routine(
    family="publish",
    schema=pa.schema([("about", pa.string()), ("words", pa.string())]),
    examples=(
        "SELECT words FROM omopsql.policy_check('policy.yaml') WHERE about = 'min_cell' "
        "--> No number of a model is over fewer than 20 persons or rows.",
        "SELECT words FROM omopsql.policy_check('policy.yaml', cdm := 'omopsql_demo/cdm') WHERE about = 'death' "
        "--> The table is left out, with 468 rows.",
    ),
)
def policy_check(
    caller: Caller, policy: str, cdm: str | None = None, source: str | None = None, vocabulary: str | None = None
) -> pa.Table:
    """Say in words what a policy allows to be learned, and what a release must pass.

    With a CDM (a folder or a schema), or a flat table as source, it says too what would be left out of that. A file
    that is not wholly understood is an error that tells the line and what to write. vocabulary is the folder where
    descendants of concepts are looked up, if the CDM has none.
    """
    from .words import explained, of_cdm, of_source  # they read what synthesis reads, and synthesis reads policies

    rules = read_policy(policy)
    lines = list(explained(rules))
    with caller.cursor() as cursor:
        if cdm is not None:
            lines += of_cdm(rules, cursor, cdm, vocabulary)
        if source is not None:
            lines += of_source(rules, cursor, source)
    about, words = zip(*lines, strict=True)
    return pa.table({"about": pa.array(about, pa.string()), "words": pa.array(words, pa.string())})
