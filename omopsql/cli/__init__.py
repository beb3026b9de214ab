"""The command line: one verb a file. Verbs import what is heavy when they run, so that help comes at once."""

import click

from omopsql import __version__

from .aggregate import aggregate
from .catalogue import catalogue
from .check import check
from .completion import completion
from .demo import demo
from .evaluate import evaluate
from .failures import Verbs
from .fit import fit
from .functions import functions
from .harmonize import harmonize
from .merge import merge
from .policy import policy
from .publish import publish
from .query import query
from .site import site
from .synthesize import synthesize
from .verify import verify
from .vocabulary import vocabulary


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="omopsql")
def main() -> None:
    """Harmonize extracts to the OMOP CDM, learn tables, make and judge synthetic rows, and ask questions in SQL.

    Every verb runs SQL functions that `omopsql functions` lists and that work in DuckDB just as well.

    \b
    Example:
      omopsql demo
      omopsql harmonize demo omopsql_demo/source --vocabulary omopsql_demo/vocabulary -o cdm/
      omopsql fit patients.csv -o model.parquet
      omopsql synthesize model.parquet -n 1000 --seed 42 -o synthetic.csv
      omopsql evaluate patients.csv synthetic.csv -o report/

    \b
    Exit codes:
      0    done
      1    the data, the SQL or a file is wrong; one line on stderr says what
      2    the command was typed wrong
      130  stopped with Ctrl-C; no partial file is left
      141  the reader of the output went away, as in | head
    """  # noqa: D301 (click reads \b)


VERBS = (
    demo,
    vocabulary,
    harmonize,
    check,
    fit,
    merge,
    site,
    aggregate,
    synthesize,
    evaluate,
    policy,
    publish,
    verify,
    catalogue,
    query,
    functions,
    completion,
)

for verb in VERBS:
    main.add_command(verb)
