"""Connections: functions come beside the user's data and leave no trace in it."""

import contextlib
import gc
import os
from pathlib import Path

import duckdb
import pytest

import omopsql
from omopsql import OmopsqlError, registry, transport

CALL = "SELECT omopsql.norm_cdf(0.0)"
ANSWER = [(0.5,)]
NAMES = sorted(function.name for function in registry.functions())
TABLE_FUNCTION = "SELECT count(*) FROM omopsql.copula_fit('numbers') WHERE statistic = 'model'"


def listed(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [row[0] for row in con.execute("SELECT name FROM omopsql.functions ORDER BY name").fetchall()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A DuckDB file with one table."""
    path = tmp_path / "hospital.duckdb"
    with contextlib.closing(duckdb.connect(str(path))) as con:
        con.execute("CREATE TABLE numbers AS SELECT i FROM range(100) AS r (i)")
    return path


def test_without_registering_there_is_no_catalog():
    with contextlib.closing(duckdb.connect()) as con, pytest.raises(duckdb.Error, match="omopsql"):
        con.execute(CALL)


def test_register_returns_the_connection_with_every_function():
    with contextlib.closing(duckdb.connect()) as con:
        assert omopsql.register(con) is con
        assert con.execute(CALL).fetchall() == ANSWER
        assert listed(con) == NAMES


def test_registering_twice_is_harmless(con, file):
    con.execute("CREATE TABLE numbers AS SELECT i FROM range(100) AS r (i)")
    assert omopsql.register(omopsql.register(con)) is con
    assert listed(con) == NAMES
    assert con.execute(TABLE_FUNCTION).fetchall() == [(1,)]


def test_a_cursor_and_a_second_connection_see_the_functions(file):
    with contextlib.closing(omopsql.connect(file)) as con:
        for second in (con.cursor(), duckdb.connect(str(file)), omopsql.connect(str(file))):
            with contextlib.closing(second):
                assert second.execute(CALL).fetchall() == ANSWER
                assert second.execute(TABLE_FUNCTION).fetchall() == [(1,)]


def test_other_connections_outlive_the_first(python, file):
    """In a process of its own: DuckDB frees the Python functions of a closed connection, and calling one crashes."""
    ran = python(f"""
import duckdb, omopsql
first = omopsql.connect({str(file)!r})
registered, plain = omopsql.connect({str(file)!r}), duckdb.connect({str(file)!r})
first.close()
print(registered.execute({CALL!r}).fetchall(), plain.execute({CALL!r}).fetchall())
print(registered.execute({TABLE_FUNCTION!r}).fetchall(), plain.execute({TABLE_FUNCTION!r}).fetchall())
registered.close()
try:
    plain.execute({TABLE_FUNCTION!r}).fetchall()
except duckdb.Error as error:
    print(error)
print(omopsql.register(plain).execute({TABLE_FUNCTION!r}).fetchall())
""")
    assert ran.returncode == 0, ran.stderr
    answers, tables, told, again = ran.stdout.splitlines()
    assert (answers, tables, again) == (f"{ANSWER} {ANSWER}", "[(1,)] [(1,)]", "[(1,)]")
    assert "omopsql.register(con)" in told


def test_a_read_only_file(file):
    with contextlib.closing(omopsql.connect(file, read_only=True)) as con:
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            con.execute("CREATE TABLE other (i INTEGER)")
        assert con.execute(CALL).fetchall() == ANSWER
        assert con.execute(TABLE_FUNCTION).fetchall() == [(1,)]


def test_the_default_connection():
    before = duckdb.default_connection()
    with contextlib.closing(duckdb.connect()) as con:
        duckdb.set_default_connection(con)
        try:
            omopsql.register(duckdb.default_connection())
            assert duckdb.sql(CALL).fetchall() == duckdb.execute(CALL).fetchall() == ANSWER
        finally:
            duckdb.set_default_connection(before)


def test_closing_releases_the_file(file):
    con = omopsql.connect(file)
    assert con.execute(TABLE_FUNCTION).fetchall() == [(1,)]
    with pytest.raises(duckdb.ConnectionException, match="different configuration"):
        duckdb.connect(str(file), read_only=True)  # the file is held
    con.close()
    gc.collect()
    duckdb.connect(str(file), read_only=True).close()


def test_a_file_of_the_catalogs_name_is_refused_and_released(tmp_path):
    path = tmp_path / "omopsql.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(OmopsqlError, match=r"taken by the file .*omopsql\.duckdb"):
        omopsql.connect(path)
    duckdb.connect(str(path), read_only=True).close()


@pytest.mark.parametrize("theirs", ["", "CREATE TABLE omopsql.session (patient INTEGER)"])
def test_a_catalog_that_is_not_ours_is_refused(theirs):
    with contextlib.closing(duckdb.connect()) as con:
        con.execute("ATTACH ':memory:' AS omopsql; CREATE TABLE omopsql.visits (i INTEGER)")
        con.execute(theirs or "SELECT 1")
        with pytest.raises(OmopsqlError, match="taken by another in-memory database; attach it under another name"):
            omopsql.register(con)
        assert con.execute("FROM omopsql.visits").fetchall() == []


def test_an_open_write_transaction_is_refused_and_kept(file):
    """The work that is open must survive: it is committed next, and then registering works."""
    with contextlib.closing(duckdb.connect(str(file))) as con:
        con.execute("BEGIN; INSERT INTO numbers VALUES (4711)")
        with pytest.raises(OmopsqlError, match="open transaction; commit it first") as refused:
            omopsql.register(con)
        assert "\n" not in str(refused.value)
        con.execute("COMMIT")
        assert con.execute("SELECT count(*) FROM numbers WHERE i = 4711").fetchall() == [(1,)]
        assert omopsql.register(con).execute(CALL).fetchall() == ANSWER


def test_a_transaction_that_only_reads_is_refused_too():
    """Registered inside it, the functions would be gone after ROLLBACK."""
    with contextlib.closing(duckdb.connect()) as con:
        con.execute("BEGIN; SELECT 1")
        with pytest.raises(OmopsqlError, match="open transaction"):
            omopsql.register(con)
        con.execute("ROLLBACK")
        assert omopsql.register(con).execute(CALL).fetchall() == ANSWER


def test_after_registering_transactions_work(con):
    con.execute("BEGIN; CREATE TABLE t AS SELECT omopsql.norm_cdf(0.0) AS p; ROLLBACK")
    con.execute("BEGIN; CREATE TABLE t AS SELECT omopsql.norm_cdf(0.0) AS p; COMMIT")
    assert con.execute("FROM t").fetchall() == ANSWER


def test_nothing_is_written_to_the_users_file(file):
    before = file.read_bytes()
    with contextlib.closing(omopsql.connect(file)) as con:
        con.execute(CALL)
        con.execute(TABLE_FUNCTION).fetchall()
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_users_own_objects_stay_alone(file):
    queries = (
        "SELECT database_name, schema_name FROM duckdb_schemas() WHERE NOT internal AND database_name <> 'omopsql'",
        "SELECT database_name, table_name FROM duckdb_tables() WHERE NOT internal AND database_name <> 'omopsql'",
        "SELECT database_name, view_name FROM duckdb_views() WHERE NOT internal AND database_name <> 'omopsql'",
        "SELECT database_name, function_name FROM duckdb_functions() WHERE NOT internal AND database_name <> 'omopsql'",
    )
    with contextlib.closing(duckdb.connect(str(file))) as con:
        before = [con.execute(query).fetchall() for query in queries]
        omopsql.register(con)
        con.execute(TABLE_FUNCTION).fetchall()
        assert [con.execute(query).fetchall() for query in queries] == before
        assert con.execute("SELECT current_database(), current_schema()").fetchall() == [("hospital", "main")]


def test_no_setting_is_changed():
    with contextlib.closing(duckdb.connect()) as con:
        con.execute("SET TimeZone = 'Asia/Tokyo'; SET threads = 1")
        before = con.execute("FROM duckdb_settings()").fetchall()
        omopsql.register(con)
        con.execute("CREATE TABLE numbers AS SELECT i FROM range(100) AS r (i)")
        con.execute(TABLE_FUNCTION).fetchall()
        assert con.execute("FROM duckdb_settings()").fetchall() == before


def test_every_function_says_in_the_catalog_what_it_does(con):
    rows = con.execute(
        "SELECT function_name, comment FROM duckdb_functions() WHERE database_name = 'omopsql' AND NOT internal"
    ).fetchall()
    assert dict(rows) == {function.name: function.summary for function in registry.functions()}


@pytest.mark.parametrize(
    "query",
    [
        "FROM omopsql.copula_fit('nowhere')",
        "SELECT count(*) FROM omopsql.copula_fit('nowhere')",
        "SELECT n FROM omopsql.copula_fit('nowhere') WHERE statistic = 'model'",
        "SELECT n FROM omopsql.copula_fit('nowhere') ORDER BY n LIMIT 1",
        "SELECT 1 FROM omopsql.copula_fit('nowhere') AS m JOIN (SELECT 1 AS n) USING (n)",
        "CREATE TABLE m AS FROM omopsql.copula_fit('nowhere') WHERE n > 5",
        "FROM omopsql.copula_sample('nowhere', 5)",
        "CREATE VIEW v AS FROM omopsql.copula_sample('nowhere', 5)",
    ],
)
def test_a_failure_is_told_whatever_the_query_asks_for(con, query):
    """The caller's WHERE must not come before the error, or a mistake looks like an empty result."""
    with pytest.raises(duckdb.Error, match="there is no table or view 'nowhere'"):
        con.execute(query).fetchall()
    assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'm'").fetchall() == [(0,)]


def test_an_unqualified_name_leads_where_use_points(con):
    con.execute("CREATE TABLE numbers AS SELECT i FROM range(100) AS r (i)")
    con.execute("CREATE SCHEMA other; CREATE TABLE other.numbers AS SELECT i FROM range(50) AS r (i); USE other")
    query = "SELECT n FROM omopsql.copula_fit('numbers') WHERE statistic = 'model'"
    assert con.execute(query).fetchall() == [(50,)]
    con.execute("USE memory.main")
    assert con.execute(query).fetchall() == [(100,)]


def test_an_unknown_transport_is_refused(monkeypatch):
    monkeypatch.setenv(transport.VARIABLE, "pigeon")
    with pytest.raises(OmopsqlError, match="OMOPSQL_TRANSPORT is 'pigeon'; set it to native or arrow"):
        transport.forced()
    monkeypatch.setenv(transport.VARIABLE, "")
    assert transport.forced() is None


NATIVE = duckdb.__version__ >= "2"


@pytest.mark.skipif(transport.VARIABLE in os.environ, reason=f"{transport.VARIABLE} is set")
def test_without_a_choice_native_where_it_loads():
    assert transport.load_native() == NATIVE


def test_a_connection_from_before_the_import_falls_back_to_arrow(transports):
    report = transports("native" if NATIVE else "arrow")
    assert report["early"] == "arrow"
    assert report["early answers"] == report["answers"]


def test_the_environment_forces_arrow(transports):
    assert transports("arrow")["late"] == "arrow"


def test_the_environment_forces_native(python, transports):
    if NATIVE:
        assert transports("native")["late"] == "native"
        return
    ran = python("import omopsql", **{transport.VARIABLE: "native"})
    assert ran.returncode != 0
    assert "OMOPSQL_TRANSPORT=native, but the native transport does not load" in ran.stderr.splitlines()[-1]
