"""The page of all functions, written from their declarations: ``python -m omopsql.docs`` writes docs/functions.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from .cli.files import completed
from .registry import Example, Function, functions

PAGE = Path("docs/functions.md")  # of the checkout that one stands in

# What the examples read. It stands first on the page, so that a reader can make it too.
EXAMPLE_INPUTS = """\
COPY (FROM omopsql.example_patients(2000)) TO 'patients.parquet';
CREATE TABLE patients_model AS FROM omopsql.copula_fit('patients.parquet');
CREATE TABLE unmapped_codes AS SELECT 'D1' AS source_code, 'Diabetes mellitus type 2' AS source_code_description;
CREATE TABLE reviewed_codes AS SELECT *, 201826 AS concept_id, 'SNOMED' AS vocabulary_id FROM unmapped_codes;
COPY (SELECT 'Bundle' AS resourceType, [{'resource': {'resourceType': 'Patient', 'id': '1'}},
    {'resource': {'resourceType': 'Encounter', 'id': '2'}}] AS entry) TO 'bundle.json';
FROM omopsql.use_vocabulary('omopsql_demo/vocabulary');
CREATE TABLE hospital_model AS FROM omopsql.cdm_fit('omopsql_demo/cdm');
CREATE TABLE first_part AS FROM omopsql.copula_fit('patients.parquet', method := 'independent', for_merge := true);
CREATE TABLE second_part AS FROM first_part;
CREATE TABLE second_hospital_model AS FROM hospital_model;
CREATE TABLE quality_results AS FROM omopsql.check_cdm('omopsql_demo/cdm');
CREATE TABLE quality_thresholds AS SELECT 'measurePersonCompleteness' AS check_name, 100 AS threshold;
COPY (SELECT '{policy: 1, learn: {min_cell: 20, cdm: {tables: {deny: [death]}}}}') TO 'policy.yaml'
    (FORMAT csv, HEADER false, DELIMITER '|');
"""

_KINDS = {
    "macro": "SQL that stands in the place of the call",
    "kernel": "compiled to machine code, one value a row",
    "expression": "a query that is written for the tables it is given",
    "routine": "computes its rows when the query runs",
}

_HEAD = """\
# Functions

Every function of omopsql, by family. All of them stand in the catalog `omopsql`, so a call begins with `omopsql.`.
A function that returns a TABLE stands in FROM.

Where a function takes a table, it takes its name as a text: a table or view, a Parquet, CSV or JSON file, a glob, or a
folder of Parquet files. It sees what is committed, not temporary tables and not the query's own WITH.

Each function is one of these kinds:

{kinds}

The examples read the folder `omopsql_demo`, which the command `omopsql demo` makes, a release in it, which
`omopsql publish omopsql_demo/synthetic/cdm --metadata about.yaml --force "An example" -o omopsql_demo/release` makes,
a table of simulated patients and a model of it:

```sql
{inputs}```
"""


def render() -> str:
    """Write the page: its head, then family by family what each function takes, does and answers."""
    kinds = "\n".join(f"- *{kind}*: {meaning}." for kind, meaning in _KINDS.items())
    parts = [_HEAD.format(kinds=kinds, inputs=EXAMPLE_INPUTS)]
    for family, members in groupby(functions(), key=lambda function: function.family):
        parts.append(f"## {family}\n")
        parts.extend(_section(function) for function in members)
    return "\n".join(parts)


def _section(function: Function) -> str:
    lines = [f"### {function.name}", "", f"`{function.signature}` ({function.kind})", "", function.description, ""]
    return "\n".join([*lines, "```sql", *_example_lines(function.examples), "```", ""])


def _example_lines(examples: tuple[Example, ...]) -> Iterator[str]:
    for example in examples:
        yield f"{example.sql};"
        if example.result is not None:
            yield f"-- {example.result}"


def main() -> None:
    """Write the page into the checkout."""
    if not PAGE.parent.is_dir():
        sys.exit(f"there is no folder {PAGE.parent} here; run this in a checkout of omopsql")
    with completed(PAGE) as part:
        part.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
