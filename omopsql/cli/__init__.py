"""The command line: one verb a file. Verbs import what is heavy when they run, so that help comes at once."""

import click

from omopsql import __version__

from .completion import completion
from .failures import Verbs
from .fit import fit
from .functions import functions
from .query import query
from .synthesize import synthesize


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="omopsql")
def main() -> None:
    """Learn a table, make synthetic rows like it, and ask questions in SQL.

    Every verb runs SQL functions that `omopsql functions` lists and that work in DuckDB just as well.

    \b
    Example:
      omopsql fit patients.csv -o model.parquet
      omopsql synthesize model.parquet -n 1000 --seed 42 -o synthetic.csv

    \b
    Exit codes:
      0    done
      1    the data, the SQL or a file is wrong; one line on stderr says what
      2    the command was typed wrong
      130  stopped with Ctrl-C; no partial file is left
      141  the reader of the output went away, as in | head
    """  # noqa: D301 (click reads \b)


for verb in (fit, synthesize, query, functions, completion):
    main.add_command(verb)
