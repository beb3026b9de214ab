"""The verb query: results as a table, CSV, JSON and Parquet, on the terminal and in files."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest
from commands import done, files, rows

import omopsql

MIXED = """SELECT 1 AS a, 2 AS a, '' AS "row", NULL AS "b,c", 'x"y,z' AS t, [1, NULL] AS l, DATE '2026-01-31' AS d,
    TIMESTAMP '2026-01-31 12:00:00' AS ts, 1.50::DECIMAL(4, 2) AS n, 'ü' AS u, true AS yes"""


def test_csv_is_what_copy_writes(folder):
    shown = done("query", MIXED, "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(shown))) == [
        ["a", "a", "row", "b,c", "t", "l", "d", "ts", "n", "u", "yes"],
        ["1", "2", "", "", 'x"y,z', "[1, NULL]", "2026-01-31", "2026-01-31 12:00:00", "1.50", "ü", "true"],
    ]
    duckdb.execute(f"COPY ({MIXED}) TO 'copy.csv' (HEADER)")
    assert shown.splitlines()[1] == Path("copy.csv").read_text().splitlines()[1]
    done("query", MIXED, "-o", "out.csv")
    assert Path("out.csv").read_text(encoding="utf-8") == shown


def test_csv_of_lines_and_quotes_comes_back(folder):
    values = ["plain", 'a"b', "a,b", "two\nlines", "two\r\nlines", "", None, " padded ", "NULL", "'", "\\"]
    sql = "FROM (SELECT unnest([" + ", ".join("NULL" if v is None else omopsql.quoting.literal(v) for v in values)
    done("query", f"{sql}]) AS t, 1 AS i)", "-o", "out.csv")
    assert [
        row[0]
        for row in duckdb.execute("FROM read_csv('out.csv', all_varchar = true, allow_quoted_nulls = false)").fetchall()
    ] == values


def test_json_is_one_array():
    found = json.loads(done("query", MIXED, "--format", "json").stdout)
    assert len(found) == 1
    assert list(found[0].values())[:6] == [1, 2, "", None, 'x"y,z', [1, None]]
    assert found[0]["n"] == 1.5
    assert json.loads(done("query", "SELECT 1 AS i WHERE false", "--format", "json").stdout) == []
    many = json.loads(done("query", "SELECT i FROM range(25000) AS r (i)", "--format", "json").stdout)
    assert [row["i"] for row in many] == list(range(25_000))


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_files_of_every_format(folder, form):
    done("query", "SELECT i, i % 2 = 0 AS even FROM range(25000) AS r (i)", "-o", f"out.{form}")
    assert files(folder) == [f"out.{form}"]
    assert rows(f"out.{form}") == [(i, i % 2 == 0) for i in range(25_000)]
    done("query", "SELECT 1 AS i", "-o", "named", "--format", form)
    assert len(rows_of_format("named", form)) == 1


def rows_of_format(name: str, form: str) -> list[tuple]:
    return duckdb.execute(f"FROM read_{form}('{name}')").fetchall()


def test_a_table_shows_forty_rows_and_says_how_many_more():
    shown = done("query", "SELECT i AS number FROM range(12345) AS r (i)").stdout.splitlines()
    cells = [line.strip("│ ") for line in shown if line.startswith("│")]
    assert cells == ["number", *map(str, range(40))]
    assert shown[-1] == "40 of 12,345 rows shown, 12,305 more (--format csv shows all)"
    assert "more" not in done("query", "FROM range(40)").stdout


def test_a_table_shows_cells_as_they_are():
    shown = done(
        "query", "SELECT 'a\nb' AS t, NULL AS n, '[bold]x[/bold]' AS m, 1 AS \"[red]h\", chr(27) || '[31m' AS e"
    )
    header, row = (line for line in shown.stdout.splitlines() if line.startswith("│"))
    assert [cell.strip() for cell in header.strip("│").split("│")] == ["t", "n", "m", "[red]h", "e"]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        r"a\nb",
        "NULL",
        "[bold]x[/bold]",
        "1",
        r"\x1b[31m",
    ]


def test_several_statements_show_the_last():
    sql = "CREATE TABLE t AS SELECT ';' AS s; INSERT INTO t VALUES ('x'); SELECT 'shown' AS s; FROM t ORDER BY s;"
    assert done("query", sql, "--format", "csv").stdout == "s\n;\nx\n"
    assert done("query", "PIVOT (SELECT 'k' AS a, 2 AS b) ON a USING sum(b)", "--format", "csv").stdout == "k\n2\n"
    assert "INTEGER" in done("query", "CREATE TABLE t (i INTEGER); DESCRIBE t").stdout
    returning = "CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (7) RETURNING i"
    assert done("query", returning, "--format", "csv").stdout == "i\n7\n"
    counted = 'SELECT 5 AS "Count"'
    assert done("query", counted, "--format", "csv").stdout == "Count\n5\n"


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE t (i INTEGER)", "CREATE TABLE t AS SELECT 1 AS i", "SET threads = 1", "CHECKPOINT"]
)
def test_statements_without_rows_show_nothing(sql):
    assert done("query", sql).output == ""


@pytest.mark.parametrize("sql", ["-- patients\nSELECT 1 AS i", "--patients\nSELECT 1 AS i", "/* - */ SELECT 1 AS i"])
def test_sql_may_begin_with_a_comment(folder, sql):
    """As with "$(cat query.sql)"."""
    assert done("query", sql, "--format", "csv").stdout == "i\n1\n"
    done("query", "--format=csv", sql, "--output=my file.csv")
    assert files(folder) == ["my file.csv"]


def test_a_database_is_read_and_written(folder):
    duckdb.connect("hospital.duckdb").close()
    assert done("query", "CREATE TABLE visits AS FROM range(3)", "--database", "hospital.duckdb").output == ""
    assert done(
        "query", "SELECT count(*) AS n FROM visits", "--database", "hospital.duckdb", "--format", "csv"
    ).stdout == ("n\n3\n")
    assert files(folder) == ["hospital.duckdb"]
