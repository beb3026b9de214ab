"""Fitting and sampling a table in SQL, as an analyst does."""

import json
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import omopsql

PATIENTS = "CREATE TABLE patients AS FROM omopsql.example_patients(3000)"
SUMS_OF_SCORES = "('column', 'product', 'weight', 'link')"  # over all rows; the others count rows of a cell
METHODS = ("independent", "copula", "tree", "auto")

EVERY_TYPE = """
    SELECT
        (i % 7)::TINYINT AS tiny, (i % 300)::SMALLINT AS small, i % 1000 AS whole, (i % 50)::UTINYINT AS byte,
        (i % 97)::HUGEINT AS huge, (i % 1000)::UBIGINT AS big, round(i % 77 / 10, 1)::FLOAT AS real32,
        sqrt(i) AS real64, (i % 400 / 8)::DECIMAL(10, 3) AS exact, i % 2 = 0 AS flag, 'c' || (i % 5) AS label,
        (['red', 'green', 'blue'])[1 + i % 3]::ENUM ('red', 'green', 'blue', 'never') AS colour,
        DATE '2020-01-01' + (i % 700)::INTEGER AS day, TIMESTAMP '2020-01-01 00:00:00' + to_seconds(i * 3671) AS moment,
        (TIMESTAMP '2020-01-01 00:00:00' + to_seconds(i * 31))::TIMESTAMP_S AS second,
        TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_minutes(i) AS zoned, TIME '00:00:00' + to_seconds(i * 3) AS clock,
        uuid() AS key_uuid, 'MRN' || i AS key_text, i AS key_whole, [i] AS list, {'a': i} AS record, 'x'::BLOB AS bytes,
        NULL::INTEGER AS nothing, 5 AS constant, CASE WHEN i % 3 > 0 THEN i % 11 END AS partly,
        CASE WHEN i % 10 < 8 THEN 0 ELSE i % 100 END AS zeros,
        CASE WHEN i % 9 = 0 THEN 'N' ELSE (i * 37 % 2003)::VARCHAR END AS number_text,
        (DATE '2020-01-01' + (i * 37 % 2003)::INTEGER)::VARCHAR AS date_text
    FROM range(5000) AS r (i)
"""


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
    return con.execute(query).fetchall()


def fitted(con: duckdb.DuckDBPyConnection, method: str = "auto", source: str = "patients") -> None:
    con.execute(f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('{source}', method := '{method}')")


@pytest.fixture
def clinic(con):
    con.execute(PATIENTS)
    return con


@pytest.mark.parametrize("method", METHODS)
def test_every_type_comes_back_as_itself(con, method):
    con.execute(f"CREATE TABLE source AS {EVERY_TYPE}")
    fitted(con, method, "source")
    described = "SELECT column_name, column_type FROM (DESCRIBE FROM {})"
    expected = rows(con, described.format("source"))
    assert rows(con, described.format("omopsql.copula_sample('m', 10)")) == expected
    con.execute("CREATE TABLE synthetic AS FROM omopsql.copula_sample('m', 4000, seed := 5)")
    ordered = [
        "tiny",
        "small",
        "whole",
        "byte",
        "huge",
        "big",
        "real32",
        "real64",
        "exact",
        "day",
        "moment",
        "second",
        "clock",
        "zoned",
        "partly",
        "zeros",
    ]
    for name in ordered:
        least, most = f"SELECT min({name}) FROM source", f"SELECT max({name}) FROM source"
        inside = f"SELECT min({name}) >= ({least}) AND max({name}) <= ({most})"
        assert rows(con, f"{inside} FROM synthetic") == [(True,)], name
    steps = ["real32", "exact", "day", "zeros"]
    for name in steps:
        strange = f"SELECT count(*) FROM synthetic WHERE {name} NOT IN (SELECT {name} FROM source)"
        assert rows(con, strange)[0][0] < 600, name
    nulls = ["nothing", "list", "record", "bytes"]
    assert rows(con, f"SELECT {', '.join(f'count({name})' for name in nulls)} FROM synthetic") == [(0, 0, 0, 0)]
    keys = "SELECT count(DISTINCT key_uuid), count(DISTINCT key_text), min(key_whole), max(key_whole) FROM synthetic"
    assert rows(con, keys) == [(4000, 4000, 1, 4000)]
    shares = "SELECT avg((partly IS NULL)::INT), avg((number_text = 'N')::INT), avg((zeros = 0)::INT) FROM "
    assert rows(con, shares + "synthetic")[0] == pytest.approx(rows(con, shares + "source")[0], abs=0.03)
    assert rows(con, "SELECT count(*) FROM synthetic WHERE colour = 'never' OR constant <> 5") == [(0,)]


@pytest.mark.parametrize("method", METHODS)
def test_a_row_depends_on_model_seed_and_number_alone(clinic, method):
    fitted(clinic, method)
    few = rows(clinic, "FROM omopsql.copula_sample('m', 700, seed := 9)")
    clinic.execute("SET threads = 2")
    many = rows(clinic, "FROM omopsql.copula_sample('m', 9000, seed := 9)")
    assert many[:700] == few
    clinic.execute("SET threads = 1")
    assert rows(clinic, "FROM omopsql.copula_sample('m', 9000, seed := 9)") == many
    assert rows(clinic, "FROM omopsql.copula_sample('m', 700, seed := 10)") != few
    narrow = rows(clinic, "SELECT hba1c FROM omopsql.copula_sample('m', 700, seed := 9)")
    assert narrow == [(row[6],) for row in few]


_FINGERPRINT = """
import omopsql
con = omopsql.connect()
con.execute("SET enable_progress_bar = false")
con.execute("CREATE TABLE patients AS FROM omopsql.example_patients(3000)")
for method in ("independent", "copula", "tree"):
    con.execute(f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('patients', method := '{method}')")
    for call in ("'m', 5000, seed := 3", "'m', 300, seed := 3, given := {'sex': 'F', 'diabetes': true}"):
        sample = f"SELECT md5(string_agg(s::VARCHAR, ';')) FROM omopsql.copula_sample({call}) AS s"
        print(con.execute(sample).fetchall(), con.execute("SELECT md5(string_agg(m::VARCHAR, ';')) FROM m").fetchall())
"""


def test_both_transports_give_the_same_bytes(python):
    arrow = python(_FINGERPRINT, OMOPSQL_TRANSPORT="arrow")
    assert arrow.returncode == 0, arrow.stderr
    assert arrow.stdout.count("\n") == 6
    if not omopsql.transport.load_native() and omopsql.transport.forced() != "arrow":
        pytest.skip("this DuckDB has no native transport to compare with")
    native = python(_FINGERPRINT)
    assert native.stdout == arrow.stdout


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("min_cell", [10, 25])
def test_no_statistic_rests_on_fewer_rows_than_min_cell(clinic, method, min_cell):
    model = f"omopsql.copula_fit('patients', method := '{method}', min_cell := {min_cell})"
    counts = f"SELECT count(*), min(n) FROM {model} WHERE statistic NOT IN {SUMS_OF_SCORES}"
    (found,) = rows(clinic, counts)
    assert found[0] > 50
    assert found[1] >= min_cell


@pytest.mark.parametrize("method", METHODS)
def test_rare_values_are_nowhere_in_the_model(con, method):
    con.execute(
        """CREATE TABLE source AS SELECT i % 3 AS a,
        CASE WHEN i % 100 = 0 THEN 'secret' || i ELSE 'c' || (i % 4) END AS b,
        CASE WHEN i = 17 THEN 987654.0 WHEN i = 18 THEN -123456.0 ELSE i % 50 END AS x FROM range(2000) AS r (i)"""
    )
    fitted(con, method, "source")
    text = rows(con, "SELECT string_agg(m::VARCHAR, ' ') FROM m")[0][0]
    assert "secret" not in text
    assert "98765" not in text
    assert "12345" not in text
    sampled = rows(
        con, "SELECT min(x), max(x), count(*) FILTER (WHERE b LIKE 'secret%') FROM omopsql.copula_sample('m', 5000)"
    )
    assert sampled[0][0] >= 0
    assert sampled[0][1] <= 50
    assert sampled[0][2] == 0


def test_models_of_files_folders_views_and_tables_are_the_same(clinic, tmp_path):
    clinic.execute(f"COPY (FROM patients LIMIT 1000) TO '{tmp_path}/a.parquet'")
    clinic.execute(f"COPY (FROM patients OFFSET 1000) TO '{tmp_path}/b.parquet'")
    clinic.execute(f"CREATE VIEW both_files AS FROM read_parquet('{tmp_path}/*.parquet')")
    sources = ("patients", "main.patients", f"{tmp_path}/*.parquet", str(tmp_path), "both_files")
    models = [rows(clinic, f"FROM omopsql.copula_fit('{source}', method := 'tree')") for source in sources]
    assert all(model == models[0] for model in models)


@pytest.mark.parametrize("method", METHODS)
def test_associations_and_missing_values_are_kept(clinic, method):
    clinic.execute("CREATE OR REPLACE TABLE patients AS FROM omopsql.example_patients(20000)")
    fitted(clinic, method)
    facts = """SELECT
        corr(bmi, systolic_bp),
        avg((hba1c IS NULL)::INT) FILTER (WHERE diabetes),
        avg((hba1c IS NULL)::INT) FILTER (WHERE NOT diabetes),
        avg((icd10 = 'N40.0')::INT) FILTER (WHERE sex = 'F'),
        avg((icd10 = 'E11.9')::INT) FILTER (WHERE diabetes),
        avg(hba1c) FILTER (WHERE diabetes) - avg(hba1c) FILTER (WHERE NOT diabetes)
    FROM """
    real = rows(clinic, facts + "patients")[0]
    synthetic = rows(clinic, facts + "omopsql.copula_sample('m', 20000, seed := 2)")[0]
    if method == "independent":
        assert synthetic != pytest.approx(real, abs=0.3)
    else:
        assert synthetic == pytest.approx(real, abs=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_given_values_are_exact_and_the_others_follow(clinic, method):
    clinic.execute("CREATE OR REPLACE TABLE patients AS FROM omopsql.example_patients(20000)")
    fitted(clinic, method)
    sample = "omopsql.copula_sample('m', 4000, seed := 1, given := {'sex': 'F', 'diabetes': true, 'bmi': 31.3})"
    distinct = f"SELECT list(DISTINCT sex), list(DISTINCT diabetes), list(DISTINCT bmi) FROM {sample}"
    assert rows(clinic, distinct) == [(["F"], [True], [31.3])]
    mean = "SELECT avg(hba1c), avg((icd10 = 'E11.9')::INT) FROM "
    synthetic = rows(clinic, mean + sample)[0]
    if method != "independent":
        near = "patients WHERE sex = 'F' AND diabetes AND bmi BETWEEN 29 AND 34"
        assert synthetic == pytest.approx(rows(clinic, mean + near)[0], abs=0.3)


def test_given_null_means_missing(clinic):
    fitted(clinic)
    assert rows(
        clinic, "SELECT count(smoking), count(*) FROM omopsql.copula_sample('m', 50, given := {'smoking': NULL})"
    ) == [(0, 50)]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("omopsql.copula_fit('nowhere.parquet')", "there is no file nowhere.parquet"),
        ("omopsql.copula_fit('nowhere')", "there is no table or view 'nowhere'"),
        ("omopsql.copula_fit('empty')", "empty has no rows"),
        ("omopsql.copula_fit('one')", "one has 1 row, fewer than min_cell = 10"),
        ("omopsql.copula_fit('patients', columns := {'sexx': 'category'})", "patients has no column 'sexx'"),
        ("omopsql.copula_fit('patients', columns := {'sex': 'letter'})", "'sex' cannot be 'letter'"),
        ("omopsql.copula_fit('patients', columns := 'sex')", "columns takes a struct"),
        ("omopsql.copula_fit('patients', method := 'magic')", "method 'magic' is none of auto, copula, tree"),
        ("omopsql.copula_fit('patients', min_cell := 0)", "min_cell is 0"),
        ("omopsql.copula_fit(NULL)", "source is NULL"),
        ("omopsql.copula_sample('m', -1)", "n is -1"),
        ("omopsql.copula_sample('m', NULL)", "n is NULL"),
        ("omopsql.copula_sample('patients', 5)", "patients is no model"),
        ("omopsql.copula_sample('nowhere', 5)", "there is no table or view 'nowhere'"),
        ("omopsql.copula_sample('later', 5)", "was made by omopsql 9.9 in format 99"),
        ("omopsql.copula_sample('damaged', 5)", "damaged is a damaged model"),
        ("omopsql.copula_sample('twice', 5)", "twice is no model of one table: it has 2 rows"),
        ("omopsql.copula_sample('m', 5, given := {'sex': 'X'})", "never saw 'X' in column 'sex'; it holds F, M"),
        ("omopsql.copula_sample('m', 5, given := {'bmi': 900})", "never saw 900 in column 'bmi'; it lies between"),
        ("omopsql.copula_sample('m', 5, given := {'nope': 1})", "the model has no column 'nope'"),
        ("omopsql.copula_sample('m', 5, given := {'patient_id': 1})", "column 'patient_id' is identifier"),
        ("omopsql.copula_sample('m', 5, given := {'sex': NULL})", "never saw None in column 'sex'"),
        ("omopsql.copula_describe('patients')", "patients is no model"),
        ("omopsql.synthesize('patients', 5, method := 'magic')", "method 'magic' is none of"),
    ],
)
def test_bad_input_gets_one_clear_line(clinic, call, told):
    fitted(clinic, "independent")
    clinic.execute("CREATE TABLE empty AS FROM patients LIMIT 0; CREATE TABLE one AS FROM patients LIMIT 1")
    about = json.dumps({"format": 99, "omopsql": "9.9", "method": "tree", "min_cell": 10})
    clinic.execute("CREATE TABLE later AS FROM m WHERE statistic <> 'model'")
    clinic.execute("INSERT INTO later VALUES ('model', [], [], ?, 5)", [about])
    clinic.execute("CREATE TABLE damaged AS FROM m")
    clinic.execute("UPDATE damaged SET value = '{' WHERE statistic = 'margin'")
    clinic.execute("CREATE TABLE twice AS FROM m UNION ALL FROM m")
    with pytest.raises(duckdb.Error) as error:
        clinic.execute(f"FROM {call}").fetchall()
    first = str(error.value).splitlines()[0]
    assert told in first
    assert "Traceback" not in str(error.value)


def test_a_corrupt_parquet_file_gets_one_clear_line(con, tmp_path):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 this is no parquet file PAR1")
    with pytest.raises(duckdb.Error, match=r"broken\.parquet cannot be read"):
        con.execute(f"FROM omopsql.copula_fit('{path}')")


def test_a_failing_fit_leaves_no_table(clinic):
    with pytest.raises(duckdb.Error):
        clinic.execute("CREATE TABLE half AS FROM omopsql.copula_fit('patients', columns := {'sexx': 'category'})")
    assert rows(clinic, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'") == [(0,)]


NAMES = ('a"b', "a b", "a.b", "größe", "select", 'x"; DROP TABLE patients; --', "'; --", "1st", "ROW_NUMBER")


@pytest.mark.parametrize("name", NAMES)
def test_strange_names_work_everywhere(clinic, name):
    quoted = '"' + name.replace('"', '""') + '"'
    text = name.replace("'", "''")
    clinic.execute(f"CREATE TABLE {quoted} AS SELECT sex AS {quoted}, bmi, died FROM patients")
    clinic.execute(f"CREATE TABLE m AS FROM omopsql.copula_fit('{text}', columns := {{'{text}': 'category'}})")
    sampled = rows(clinic, f"SELECT DISTINCT {quoted} FROM omopsql.copula_sample('m', 20, given := {{'{text}': 'F'}})")
    assert sampled == [("F",)]
    assert rows(clinic, "SELECT count(*) FROM patients") == [(3000,)]


def test_nothing_but_one_column_or_none_to_learn(con):
    con.execute("CREATE TABLE single AS SELECT i % 3 AS x FROM range(100) AS r (i)")
    con.execute("CREATE TABLE keys AS SELECT i AS id, [i] AS list FROM range(100) AS r (i)")
    con.execute("CREATE TABLE blank AS SELECT NULL::INTEGER AS a, NULL::VARCHAR AS b FROM range(100)")
    assert rows(con, "SELECT count(x) FROM omopsql.synthesize('single', 9)") == [(9,)]
    assert rows(con, "FROM omopsql.synthesize('keys', 2)") == [(1, None), (2, None)]
    assert rows(con, "FROM omopsql.synthesize('blank', 2)") == [(None, None), (None, None)]


ENDS = {
    "tiny": "(127 - i % 5)::TINYINT",
    "least_tiny": "(i % 5 - 128)::TINYINT",
    "int": "(2147483647 - i % 60)::INTEGER",
    "big": "9223372036854775807 - i % 60",
    "least_big": "i % 60 - 9223372036854775807",
    "big_unsigned": "'18446744073709551615'::UBIGINT - (i % 60)::UBIGINT",
    "huge": "'170141183460469231731687303715884105727'::HUGEINT - (i % 60)::HUGEINT",
    "huge_unsigned": "'340282366920938463463374607431768211455'::UHUGEINT - (i % 60)::UHUGEINT",
    "money": "'9999999999999999.99'::DECIMAL(18, 2) - (i % 3)::DECIMAL(18, 2)",
    "least_money": "(i % 3)::DECIMAL(18, 2) - '9999999999999999.99'::DECIMAL(18, 2)",
    "float": "'3.4028234e38'::FLOAT * (1 - i % 60 / 1e7)::FLOAT",
    "least_float": "'-3.4028234e38'::FLOAT * (1 - i % 60 / 1e7)::FLOAT",
}


@pytest.mark.parametrize("method", METHODS)
def test_numbers_at_the_ends_of_their_types(con, method):
    """The double next to the largest BIGINT is none: what is drawn there is the largest that is one."""
    columns = ", ".join(f"{sql} AS {name}" for name, sql in ENDS.items())
    con.execute(f"CREATE TABLE ends AS SELECT {columns} FROM range(300) AS r (i)")
    con.execute(f"CREATE TABLE m AS FROM omopsql.copula_fit('ends', method := '{method}')")
    con.execute("CREATE TABLE made AS FROM omopsql.copula_sample('m', 500)")
    assert rows(con, "DESCRIBE made") == rows(con, "DESCRIBE ends")
    apart = ", ".join(
        f"bool_and(abs({name}::DOUBLE - 127 * {sign}) < 10)" for name, sign in (("tiny", 1), ("least_tiny", -1))
    )
    assert rows(con, f"SELECT {apart}, bool_and(big > 9e18), bool_and(least_money < -9e15) FROM made") == [(True,) * 4]


def test_numbers_in_an_enum_are_learned_as_they_are(con):
    """Labels that look like numbers come back in the column's own type, whatever the kind."""
    con.execute("CREATE TYPE dose AS ENUM ('1', '2.5', '10', 'none')")
    con.execute(
        "CREATE TABLE doses AS SELECT (['1', '2.5', '10', 'none'][1 + i % 4])::dose AS dose, i FROM range(400) r (i)"
    )
    for kind in ("number", "category"):
        con.execute(f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('doses', columns := {{'dose': '{kind}'}})")
        con.execute("CREATE OR REPLACE TABLE made AS FROM omopsql.copula_sample('m', 300)")
        assert rows(con, "DESCRIBE made") == rows(con, "DESCRIBE doses")
        assert set(rows(con, "SELECT dose::VARCHAR FROM made")) == {("1",), ("2.5",), ("10",), ("none",)}


def test_fifty_columns(con):
    columns = ", ".join(f"(hash(i, {j}) % {j + 2})::INTEGER AS c{j}" for j in range(50))
    con.execute(f"CREATE TABLE wide AS SELECT {columns} FROM range(500) AS r (i)")
    for method in METHODS:
        sample = f"SELECT * FROM omopsql.synthesize('wide', 3000, method := '{method}')"
        assert len(rows(con, sample)[0]) == 50


def test_sampling_streams_into_parquet(clinic, tmp_path):
    fitted(clinic, "tree")
    path = tmp_path / "out.parquet"
    clinic.execute(f"COPY (FROM omopsql.copula_sample('m', 300000, seed := 1)) TO '{path}'")
    assert pq.ParquetFile(path).metadata.num_rows == 300_000


def test_no_row_is_copied_beyond_chance(con):
    con.execute("CREATE TABLE everyone AS FROM omopsql.example_patients(4000)")
    con.execute("CREATE TABLE train AS SELECT * EXCLUDE (patient_id) FROM everyone WHERE patient_id % 2 = 0")
    con.execute("CREATE TABLE holdout AS SELECT * EXCLUDE (patient_id) FROM everyone WHERE patient_id % 2 = 1")
    con.execute("CREATE TABLE s AS FROM omopsql.synthesize('train', 4000, seed := 4)")
    shared = "SELECT count(*) FROM (SELECT * FROM s INTERSECT SELECT * FROM {})"
    in_train, in_holdout = (rows(con, shared.format(part))[0][0] for part in ("train", "holdout"))
    assert in_train <= in_holdout + 3


@pytest.mark.parametrize("name", ["wdbc.csv", "heart_failure_clinical_records_dataset.csv", "sdnist_ma2018.csv"])
def test_real_tables(con, data_folder, name):
    path = data_folder("tabular") / name
    con.execute(f"CREATE TABLE m AS FROM omopsql.copula_fit('{path}')")
    (n,) = rows(con, f"SELECT count(*) FROM '{path}'")[0]
    described = "SELECT column_name, column_type FROM (DESCRIBE FROM {})"
    sample = f"omopsql.copula_sample('m', {n}, seed := 1)"
    assert rows(con, described.format(sample)) == rows(con, described.format(f"'{path}'"))
    copied = f"SELECT count(*) FROM (FROM {sample} INTERSECT FROM '{path}')"
    assert rows(con, copied)[0][0] <= max(2, n // 1000)


def test_the_source_is_never_changed(con, tmp_path):
    path = Path(tmp_path) / "patients.parquet"
    con.execute(f"COPY (FROM omopsql.example_patients(500)) TO '{path}'")
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    con.execute(f"CREATE TABLE s AS FROM omopsql.synthesize('{path}', 100)")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_model_says_what_ties_its_columns_together(con):
    con.execute(
        """
        CREATE TABLE stays AS
        SELECT
            i % 7 AS ward, (i % 7) * 10 + i % 3 AS bed, (i * 37 % 400) AS first_day,
            (i * 37 % 400) + CASE WHEN i % 2 = 0 THEN 0 ELSE i % 90 END AS last_day
        FROM range(6000) AS r (i)
        """
    )

    def told(method):
        con.execute(f"CREATE OR REPLACE TABLE m AS FROM omopsql.copula_fit('stays', method := '{method}')")
        found = con.execute("SELECT statistic, columns, description, n FROM omopsql.copula_describe('m')").fetchall()
        return [line for line in found if line[0] not in ("model", "column")]

    tree = {(statistic, names[0]): (names, words, n) for statistic, names, words, n in told("tree")}
    days = ("echo", "last_day") if ("echo", "last_day") in tree else ("echo", "first_day")
    assert "often holds the very value of" in tree[days][1]
    assert tree[days][2] >= 3000
    linked = [names for (statistic, _), (names, _, _) in tree.items() if statistic == "context"]
    assert any(set(names[:2]) == {"ward", "bed"} for names in linked)
    assert all(n == 6000 for (statistic, _), (_, _, n) in tree.items() if statistic == "context")
    assert {"product", "weight"} <= {statistic for statistic, *_ in told("copula")}
    assert told("independent") == []
