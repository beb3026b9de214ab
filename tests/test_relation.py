"""Sources: every name that a table, view, file or folder can have, and what is said when there is none."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from omopsql import OmopsqlError
from omopsql.quoting import identifier, literal
from omopsql.relation import name_parts, resolve

ODD_NAMES = [
    "plain",
    "two words",
    "a.b",
    "a.b.c.d",
    'say "hello"',
    "it's",
    "ümläut_患者_🏥",
    "select",
    "group",
    'x"; DROP TABLE y; --',
    "x'; DROP TABLE y; --",
    "semi;colon",
    "line\nbreak",
    "back\\slash",
    "$1",
    "{}",
    "%s",
    "*",
    "-- comment",
    ".",
    "table.parquet",
]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain connection: finding a source needs no function."""
    with duckdb.connect() as connection:
        yield connection


def rows(con: duckdb.DuckDBPyConnection, source: str) -> list[tuple]:
    return con.execute(f"FROM {resolve(con, source).sql}").fetchall()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(con: duckdb.DuckDBPyConnection, path: Path, value: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"COPY (SELECT {value} AS i) TO {literal(str(path))}")
    return path


@pytest.mark.parametrize("name", ODD_NAMES)
def test_tables_and_views_of_any_name(con, folder, name):
    con.execute("CREATE TABLE y (i INTEGER)")
    con.execute(f"CREATE TABLE {identifier(name)} AS SELECT 7 AS {identifier(name)}")
    found = resolve(con, name)
    assert found.columns == {name: "INTEGER"}
    assert rows(con, name) == rows(con, identifier(name)) == [(7,)]
    con.execute(f"CREATE VIEW {identifier(name + ' view')} AS FROM {identifier(name)}")
    assert rows(con, name + " view") == [(7,)]
    assert rows(con, "y") == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_missing_name_does_no_harm(con, folder, name):
    con.execute("CREATE TABLE y AS SELECT 1 AS i")
    if name in (".",):  # the working directory
        return
    with pytest.raises(OmopsqlError, match="there is no"):
        resolve(con, name)
    assert rows(con, "y") == [(1,)]


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name not in (".",)])
def test_qualified_names(con, name):
    con.execute(f"CREATE SCHEMA {identifier(name)}; CREATE TABLE {identifier(name, name)} AS SELECT 7 AS i")
    assert rows(con, identifier(name, name)) == [(7,)]
    assert rows(con, identifier("memory", name, name)) == [(7,)]


def test_names_are_found_in_any_case(con):
    con.execute('CREATE TABLE "Person" AS SELECT 7 AS i')
    assert rows(con, "person") == rows(con, "PERSON") == rows(con, "Main.Person") == [(7,)]


def test_use_leads_an_unqualified_name(con):
    con.execute("CREATE TABLE visits AS SELECT 1 AS i; CREATE SCHEMA cdm; CREATE TABLE cdm.visits AS SELECT 2 AS i")
    con.execute("ATTACH ':memory:' AS warehouse; CREATE TABLE warehouse.visits AS SELECT 3 AS i")
    assert rows(con, "visits") == [(1,)]
    assert rows(con, "cdm.visits") == rows(con, "memory.cdm.visits") == [(2,)]
    assert rows(con, "warehouse.visits") == rows(con, "warehouse.main.visits") == [(3,)]
    con.execute("USE cdm")
    assert rows(con, "visits") == [(2,)]
    assert rows(con, "main.visits") == [(1,)]
    con.execute("USE warehouse")
    assert rows(con, "visits") == [(3,)]


def test_a_schema_comes_before_a_database_of_that_name(con):
    """As in DuckDB's own search, when both have the table: DuckDB calls the name ambiguous, so say the full one."""
    con.execute("ATTACH ':memory:' AS cdm; CREATE TABLE cdm.person AS SELECT 2 AS i")
    con.execute("CREATE SCHEMA other; CREATE TABLE other.person AS SELECT 1 AS i")
    assert rows(con, "cdm.person") == [(2,)]
    assert rows(con, "memory.other.person") == [(1,)]


def test_a_table_of_another_schema_needs_its_schema(con, folder):
    con.execute("CREATE SCHEMA cdm; CREATE TABLE cdm.person AS SELECT 1 AS i")
    with pytest.raises(OmopsqlError, match="there is no table or view 'person'"):
        resolve(con, "person")


def test_a_name_with_a_dot_comes_before_schema_and_table(con):
    con.execute('CREATE TABLE "cdm.person" AS SELECT 1 AS i; CREATE SCHEMA cdm; CREATE TABLE cdm.person AS SELECT 2 i')
    assert rows(con, "cdm.person") == [(1,)]
    assert rows(con, '"cdm"."person"') == [(2,)]


def test_a_table_comes_before_a_file(con, folder):
    write(con, folder / "person.parquet", 2)
    assert rows(con, "person.parquet") == [(2,)]
    con.execute('CREATE TABLE "person.parquet" AS SELECT 1 AS i')
    assert rows(con, "person.parquet") == [(1,)]
    assert rows(con, "./person.parquet") == [(2,)]


@pytest.mark.parametrize("stem", [name for name in ODD_NAMES if name not in ("*", "line\nbreak")])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".json"])
def test_files_of_any_name(con, folder, stem, suffix):
    con.execute("CREATE TABLE y (i INTEGER)")
    write(con, folder / f"{stem}{suffix}", 7)
    assert rows(con, f"{stem}{suffix}") == [(7,)]
    assert rows(con, str(folder / f"{stem}{suffix}")) == [(7,)]
    assert rows(con, "y") == []


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv", ".ndjson", ".PARQUET"])
def test_other_endings(con, folder, suffix):
    written = {".tsv": "FORMAT csv, DELIMITER '\t'", ".csv.gz": "FORMAT csv", ".ndjson": "FORMAT json"}
    options = written.get(suffix, "FORMAT parquet")
    con.execute(f"COPY (SELECT 7 AS i, 'a,b' AS t) TO 'visits{suffix}' ({options})")
    assert rows(con, f"visits{suffix}") == [(7, "a,b")]


def test_typed_columns_of_a_csv_file_can_be_cast(con, folder):
    """DuckDB 2.0 lets the CSV reader do the cast, and it cannot read 'true' as a number."""
    con.execute("COPY (SELECT true AS died, DATE '2026-01-31' AS day, 'a' AS t) TO 'visits.csv'")
    relation = resolve(con, "visits.csv")
    assert relation.columns == {"died": "BOOLEAN", "day": "DATE", "t": "VARCHAR"}
    assert con.execute(f"SELECT CAST(died AS DOUBLE) FROM {relation.sql}").fetchall() == [(1.0,)]
    assert con.execute(f"SELECT CAST(day AS TIMESTAMP)::VARCHAR FROM {relation.sql}").fetchall() == [
        ("2026-01-31 00:00:00",)
    ]


def test_globs_and_folders(con, folder):
    write(con, folder / "year=2024" / "a.parquet", 1)
    write(con, folder / "year=2025" / "deep" / "b.parquet", 2)
    (folder / "year=2025" / "notes.txt").write_text("no table")
    assert sorted(row[0] for row in rows(con, "year=*/*.parquet")) == [1]
    assert sorted(row[0] for row in rows(con, "**/*.parquet")) == [1, 2]
    assert sorted(row[0] for row in rows(con, str(folder))) == [1, 2]
    assert sorted(row[0] for row in rows(con, str(folder) + "/")) == [1, 2]


def test_an_existing_name_with_brackets_is_no_glob(con, folder):
    write(con, folder / "visits [1].parquet", 1)
    write(con, folder / "export [1]" / "a.parquet", 2)
    assert rows(con, "visits [1].parquet") == [(1,)]
    assert rows(con, "export [1]") == [(2,)]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nowhere.parquet", "there is no file nowhere.parquet"),
        ("nowhere", "there is no table or view 'nowhere' here, and it is no .parquet, .csv or .json file"),
        ("", "there is no table or view ''"),
        ("no/such/*.parquet", "no/such/*.parquet cannot be read: IO Error: No files found"),
        ("empty", "empty cannot be read: IO Error: No files found"),
        ("text.parquet", "text.parquet cannot be read: Invalid Input Error: "),
        ("notes.txt", "there is no table or view 'notes.txt'"),
        ("stale", "stale cannot be read: "),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(con, folder, source, told):
    (folder / "empty").mkdir()
    (folder / "text.parquet").write_text("this is no Parquet file, whatever its name says")
    (folder / "notes.txt").write_text("no table")
    con.execute("CREATE TABLE gone (i INTEGER); CREATE VIEW stale AS FROM gone; DROP TABLE gone")
    with pytest.raises(OmopsqlError) as refused:
        resolve(con, source)
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)


def test_a_directory_that_ends_like_a_file(con, folder):
    """Spark writes folders of that name."""
    write(con, folder / "person.parquet" / "part-0.parquet", 1)
    assert rows(con, "person.parquet") == [(1,)]


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("person", ["person"]),
        ("cdm.person", ["cdm", "person"]),
        ('"a.b".c', ["a.b", "c"]),
        ('a."b""c"', ["a", 'b"c']),
        ('db."my schema".person', ["db", "my schema", "person"]),
        ('a"b', None),
        ('"a"b', None),
        ('"open', None),
        ("a..b", None),
        (".a", None),
        ("a.", None),
        ("", None),
    ],
)
def test_name_parts(source, parts):
    assert name_parts(source) == parts
