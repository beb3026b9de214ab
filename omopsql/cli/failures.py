"""What goes wrong, told in one line with an exit code that scripts can use."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, NoReturn

import click

from .watch import still_running

STOPPED = 130
READER_GONE = 141


class Failure(click.ClickException):
    """The data, the SQL or a file is wrong."""

    exit_code = 1


def one_line(error: Exception) -> str:
    """Tell an error in one line: without DuckDB's pointer into the SQL, and without its prefix on our own words."""
    paragraph = re.split(r"\n\s*\n|\nLINE \d+:", str(error).strip(), maxsplit=1)[0]
    return " ".join(paragraph.split()).removeprefix("Invalid Input Error: ")


class Verbs(click.Group):
    """A group whose verbs end with one line and an exit code, never with a traceback for a user's mistake."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb and turn what it raises into its exit code."""
        import duckdb

        from omopsql import OmopsqlError

        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader that went away shows here, not at exit
            return result
        except KeyboardInterrupt:
            _leave_stopped(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
            ctx.exit(READER_GONE)
        except (OmopsqlError, duckdb.Error) as error:
            raise Failure(one_line(error)) from error
        except UnicodeEncodeError as error:
            text, told = error.object[error.start : error.end], "set PYTHONUTF8=1, or write a file with -o"
            raise Failure(f"the encoding {error.encoding} of this terminal cannot show {text!a}; {told}") from error
        except OSError as error:
            raise Failure(f"{error.filename}: {error.strerror}" if error.filename else one_line(error)) from error


def _leave_stopped(ctx: click.Context) -> NoReturn:
    click.echo("Stopped: nothing was written.", err=True)
    if still_running():  # Python code inside a query hears no interrupt, and waiting for it could take minutes
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(STOPPED)
    ctx.exit(STOPPED)
