"""The command line as tests call it: a command that must succeed, or one that must fail, and what it left."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from click.testing import CliRunner, Result

from omopsql.cli import main

COMMAND = [sys.executable, "-m", "omopsql.cli"]
SLOW = "SELECT count(md5(i::VARCHAR)) AS n FROM range(1000000) AS r (i)"


def run(*arguments: str) -> Result:
    """Run a command, however it ends."""
    return CliRunner().invoke(main, arguments, prog_name="omopsql")


def done(*arguments: str) -> Result:
    """Run a command that must succeed."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(exit_code: int, *arguments: str) -> str:
    """Run a command that must fail, and return its one line; of click's usage errors, the last."""
    result = run(*arguments)
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("Error: ")
    assert len(lines) == 1 or (exit_code == 2 and lines[0].startswith("Usage: "))
    return lines[-1].removeprefix("Error: ")


def files(folder: Path) -> list[str]:
    """The names of what stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


def rows(file: Path | str) -> list[tuple]:
    """The rows of a file."""
    return duckdb.execute(f"FROM '{file}'").fetchall()


def value(con: duckdb.DuckDBPyConnection, sql: str):
    """The first value of a query."""
    return con.execute(sql).fetchall()[0][0]
