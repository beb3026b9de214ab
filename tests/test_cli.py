"""The command line: what each verb writes, what it says when something is wrong, and how it ends."""

import contextlib
import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner, Result

import omopsql
from omopsql import registry
from omopsql.cli import main, watch
from omopsql.cli.failures import one_line
from omopsql.cli.files import completed
from omopsql.cli.options import struct
from omopsql.cli.watch import watched

ODD = "a \"b\"; DROP TABLE x; -- 'c'"
SLOW = "SELECT count(md5(i::VARCHAR)) AS n FROM range(1000000) AS r (i)"
COMMAND = [sys.executable, "-m", "omopsql.cli"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(omopsql.__file__).parents[1]))
    return tmp_path


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated patients as a CSV file, in a DuckDB file, and a model of them."""
    place = tmp_path_factory.mktemp("clinic")
    with contextlib.closing(omopsql.connect(place / "hospital.duckdb")) as con:
        con.execute("CREATE TABLE person AS SELECT *, NULL::INTEGER[] AS codes FROM omopsql.example_patients(2000)")
        con.execute(f"COPY (FROM omopsql.example_patients(2000)) TO '{place / 'patients.csv'}'")
    done("fit", "person", "--database", str(place / "hospital.duckdb"), "-o", str(place / "model.parquet"))
    return place


def omopsql_(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="omopsql")


def done(*arguments: str) -> Result:
    """Run a command that must succeed."""
    result = omopsql_(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(exit_code: int, *arguments: str) -> str:
    """Run a command that must fail, and return its one line; of click's usage errors, the last."""
    result = omopsql_(*arguments)
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("Error: ")
    assert len(lines) == 1 or (exit_code == 2 and lines[0].startswith("Usage: "))
    return lines[-1].removeprefix("Error: ")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows(file: Path | str) -> list[tuple]:
    return duckdb.execute(f"FROM '{file}'").fetchall()


# --- fit and synthesize


def test_fit_writes_a_model_and_says_what_it_learned(clinic, folder):
    result = done("fit", str(clinic / "patients.csv"), "-o", "model.parquet", "--column", "smoking=skip")
    assert files(folder) == ["model.parquet"]
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "Learned 2,000 rows and 11 columns into model.parquet"
    assert lines[1].startswith("  method ")
    told = "\n".join(lines)
    assert "  patient_id: BIGINT, taken for an identifier" in told
    assert "  smoking: VARCHAR, not learned (as asked): comes back NULL" in told
    assert "  bmi:" not in told
    assert lines[-1] == "Next: omopsql synthesize model.parquet -n 2000 --seed 42 -o synthetic.parquet"
    done(*shlex.split(lines[-1])[2:])
    assert files(folder) == ["model.parquet", "synthetic.parquet"]
    assert len(rows("synthetic.parquet")) == 2000


def test_the_same_model_and_seed_give_the_same_file(clinic, folder):
    model = str(clinic / "model.parquet")
    for name, seed in (("a.csv", "7"), ("b.csv", "7"), ("c.csv", "8")):
        result = done("synthesize", model, "-n", "300", "--seed", seed, "-o", name)
        assert result.stderr == f"Wrote 300 rows to {name}\n"
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes() != Path("c.csv").read_bytes()
    done("synthesize", model, "-n", "300", "--seed", "7", "-o", "a.parquet")
    assert [tuple(map(str, row)) for row in rows("a.parquet")] == [tuple(map(str, row)) for row in rows("a.csv")]
    assert len(Path("a.csv").read_text().splitlines()) == 301


def test_no_rows_is_a_file_with_a_header(clinic, folder):
    done("synthesize", str(clinic / "model.parquet"), "-n", "0", "-o", "none.csv")
    assert Path("none.csv").read_text().startswith("patient_id,sex,birth_date,")
    assert len(Path("none.csv").read_text().splitlines()) == 1


def test_tables_of_a_database(clinic, folder):
    database = str(clinic / "hospital.duckdb")
    result = done("fit", "person", "--database", database, "-o", "person.parquet", "--min-cell", "50")
    assert "  codes: INTEGER[], not learned" in result.stderr
    assert "at least 50 rows" in result.stderr
    with contextlib.closing(duckdb.connect(database)) as con:
        con.execute("CREATE OR REPLACE TABLE person_model AS FROM 'person.parquet'")
    done("synthesize", "person_model", "--database", database, "-n", "5", "-o", "five.parquet")
    assert len(rows("five.parquet")) == 5


def test_names_of_any_kind_reach_the_function(folder):
    con = duckdb.connect()
    con.execute(f"""CREATE TABLE odd AS SELECT 'x' || i % 3 AS "{ODD.replace('"', '""')}", i % 5 AS "a=b"
        FROM range(500) AS r (i)""")
    name = f"{ODD}.parquet"
    con.execute(f"""COPY odd TO '{name.replace("'", "''")}'""")
    result = done("fit", name, "-o", f"m {name}", "--column", f"{ODD}=skip", "--column", "a=b=category")
    assert f"{ODD}: VARCHAR, not learned (as asked)" in result.stderr
    done(*shlex.split(result.stderr.splitlines()[-1])[2:-1], f"s {name}")
    assert files(folder) == sorted([name, f"m {name}", f"s {name}"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sex": "F"},
        {ODD: ODD},
        {"two words": "", "semi;colon": "it's"},
        {"ümläut": "🏥"},
        {"key": "k", "value": "v"},
    ],
)
def test_options_become_a_struct(con, options):
    answer = con.execute(f"SELECT {struct(options)}").fetchall()[0][0]
    assert answer == (options or None)


def test_given_reaches_the_function(monkeypatch, clinic, folder):
    """As texts, split at the first =: the function knows the types of its columns."""
    sent = []

    class Recorded:
        def __init__(self, con):
            self.con = con

        def execute(self, sql):
            if sql.startswith("SET "):
                return self.con.execute(sql)
            sent.append(sql)
            return self.con.execute(f"COPY (SELECT 1 AS i) TO '{sql.split(' TO ')[1].split(chr(39))[1]}'")

        def close(self):
            self.con.close()

    connect = omopsql.connect
    monkeypatch.setattr(omopsql, "connect", lambda *arguments, **options: Recorded(connect(*arguments, **options)))
    done("synthesize", "m.parquet", "-n", "5", "-o", "s.parquet", "--given", "sex=F", "--given", "note=a=b'c")
    assert (
        """FROM omopsql.copula_sample('m.parquet', 5, seed := 0, given := {"sex": 'F', "note": 'a=b''c'})""" in sent[0]
    )
    assert files(folder) == ["s.parquet"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fit", "nowhere.csv", "-o", "m.parquet"], "there is no file nowhere.csv"),
        (["fit", "nowhere", "-o", "m.parquet"], "there is no table or view 'nowhere' here, and it is no .parquet"),
        (["fit", "PATIENTS", "-o", "m.parquet", "--column", "icd=skip"], "columns: {p} has no column 'icd'; it has"),
        (["fit", "PATIENTS", "-o", "m.parquet", "--min-cell", "5000"], "fewer than min_cell = 5000"),
        (["fit", "empty.csv", "-o", "m.parquet"], "empty.csv has no rows; there is nothing to learn"),
        (["synthesize", "PATIENTS", "-n", "5", "-o", "s.csv"], "is no model"),
        (["synthesize", "nowhere.parquet", "-n", "5", "-o", "s.csv"], "there is no file nowhere.parquet"),
        (["query", "FROM nowhere"], "Catalog Error: Table with name nowhere does not exist!"),
        (["query", "FRM person"], "Parser Error: syntax error at or near"),
        (["query", "SELECT error('no\nsuch \n\npatient')"], "no such"),
        (["query", "FROM omopsql.copula_sample('nowhere', 5)"], "there is no table or view 'nowhere'"),
        (["query", "SELECT 1; SELECT 'x'::INTEGER"], "Conversion Error: "),
        (["query", "FROM omopsql.copula_fit('PATIENTS', method := 'magic')", "-o", "s.csv"], "method 'magic' is none"),
        (["query", "CREATE TABLE t (i INTEGER)", "-o", "s.csv"], "the last statement answers no rows"),
    ],
)
def test_wrong_data_is_one_line_and_leaves_no_file(clinic, folder, arguments, told):
    Path("empty.csv").write_text("a,b\n")
    patients = str(clinic / "patients.csv")
    line = refused(1, *(argument.replace("PATIENTS", patients) for argument in arguments))
    assert told.format(p=patients) in line
    assert not line.startswith(("Invalid Input Error", "INTERNAL"))
    assert "LINE 1" not in line
    assert files(folder) == ["empty.csv"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fit", "p.csv"], "Missing option '-o' / '--output'"),
        (["fit", "p.csv", "-o", "m.csv"], "m.csv must end in .parquet"),
        (["fit", "p.csv", "-o", "no/m.parquet"], "there is no folder {folder}/no; make it first"),
        (["fit", "p.csv", "-o", "d.parquet"], "d.parquet is no plain file"),
        (["fit", "p.parquet", "-o", "p.parquet"], "p.parquet is the input itself; give another name"),
        (["fit", ".", "-o", "m.parquet"], "m.parquet lies in the folder that is read; put it elsewhere"),
        (["fit", "p.csv", "-o", "m.parquet", "--column", "sex"], "'sex' is not of the form NAME=KIND"),
        (["fit", "p.csv", "-o", "m.parquet", "--column", "sex=text"], "sex cannot be 'text'; say number, category"),
        (["fit", "p.csv", "-o", "m.parquet", "--column", "a=skip", "--column", "A=skip"], "A is given twice"),
        (["fit", "p.csv", "-o", "m.parquet", "--min-cell", "0"], "0 is not in the range x>=1"),
        (["fit", "p.csv", "-o", "m.parquet", "--method", "magic"], "'magic' is not one of 'auto', 'copula', 'tree'"),
        (["fit", "p.csv", "-o", "m.parquet", "--database", "no.duckdb"], "File 'no.duckdb' does not exist"),
        (["synthesize", "m.parquet", "-o", "s.csv"], "Missing option '-n'"),
        (["synthesize", "m.parquet", "-n", "-1", "-o", "s.csv"], "-1 is not in the range"),
        (["synthesize", "m.parquet", "-n", "5", "-o", "s.xlsx"], "s.xlsx must end in .parquet or .csv"),
        (
            ["synthesize", "m.parquet", "-n", "5", "-o", "s.csv", "--given", "=F"],
            "'=F' is not of the form COLUMN=VALUE",
        ),
        (["synthesize", "m.parquet", "-n", "5", "-o", "m.parquet"], "m.parquet is the input itself"),
        (["query", "SELECT 1", "--format", "parquet"], "--format parquet needs -o FILE"),
        (["query", "SELECT 1", "--format", "xml"], "'xml' is not one of 'table', 'csv', 'json', 'parquet'"),
        (["query", "-- nothing"], "there is no statement in it"),
        (["query", "SELECT 1", "--database", "no.duckdb"], "File 'no.duckdb' does not exist"),
        (["query", "SELECT 1", "--database", "p.parquet", "-o", "p.parquet"], "p.parquet is the input itself"),
        (["functions", "norm_pff"], "there is no function 'norm_pff'; did you mean norm_ppf"),
        (["functions", "xyz"], "there is no function 'xyz'; omopsql functions lists them all"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["fti"], "No such command 'fti'"),
    ],
)
def test_wrong_usage_is_exit_code_2(folder, arguments, told):
    Path("d.parquet").mkdir()
    duckdb.execute("COPY (SELECT 1 AS i) TO 'p.parquet'")
    assert told.format(folder=folder) in refused(2, *arguments)
    assert files(folder) == ["d.parquet", "p.parquet"]


def test_a_failure_keeps_the_file_that_was_there(folder):
    Path("s.csv").write_text("precious")
    refused(
        1, "query", "SELECT i, CASE WHEN i > 200000 THEN error('broken') END FROM range(300000) AS r (i)", "-o", "s.csv"
    )
    assert Path("s.csv").read_text() == "precious"
    assert files(folder) == ["s.csv"]


def test_a_database_of_the_catalogs_name_is_refused(folder):
    duckdb.connect("omopsql.duckdb").close()
    assert "the catalog name 'omopsql' is taken by the file" in refused(
        1, "query", "SELECT 1", "--database", "omopsql.duckdb"
    )


# --- files


def test_files_appear_complete_or_not_at_all(folder):
    target = folder / "out.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), completed(target) as part:
        part.write_text("half")
        assert (part.parent, target.read_text()) == (target.parent, "old")
        raise RuntimeError
    assert (files(folder), target.read_text()) == (["out.csv"], "old")
    with completed(target) as part:
        part.write_text("new")
    assert (files(folder), target.read_text()) == (["out.csv"], "new")


def test_a_link_stays_a_link(folder):
    (folder / "real").mkdir()
    Path("link.csv").symlink_to("real/out.csv")
    done("query", "SELECT 1 AS i", "-o", "link.csv")
    assert Path("link.csv").is_symlink()
    assert files(folder / "real") == ["out.csv"]


# --- query

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


# --- functions, completion, help


def test_functions_lists_every_one_by_family():
    listed = done("functions").stdout
    for function in registry.functions():
        assert f"  {function.signature}  [{function.kind}]\n      {' '.join(function.summary.split())}\n" in listed
    families = [line for line in listed.splitlines() if not line.startswith(" ")]
    assert families == [family for family in registry.FAMILIES if family in families]


@pytest.mark.parametrize("name", ["norm_ppf", "omopsql.norm_ppf", "NORM_PPF"])
def test_functions_explains_one(name):
    function = next(function for function in registry.functions() if function.name == "norm_ppf")
    explained = done("functions", name).stdout
    assert explained.startswith("omopsql.norm_ppf(p DOUBLE) -> DOUBLE\nsynth, kernel\n\n")
    assert function.description in explained
    assert f"Example: {function.examples[0].sql}\nAnswer:  {function.examples[0].result}\n" in explained


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    script = done("completion", shell).stdout
    assert f"_OMOPSQL_COMPLETE={shell}_complete" in script


def test_completion_completes_verbs_and_functions(monkeypatch):
    for words, index, expected in (("omopsql syn", "1", "synthesize"), ("omopsql functions norm_p", "2", "norm_ppf")):
        monkeypatch.setenv("_OMOPSQL_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", index)
        assert f"plain,{expected}\n" in omopsql_().stdout


def test_version():
    assert done("--version").stdout == f"omopsql, version {omopsql.__version__}\n"


def test_help_names_the_verbs_and_the_exit_codes():
    text = done("--help").stdout
    for word in ("fit", "synthesize", "query", "functions", "completion", "Exit codes:", "130"):
        assert word in text
    assert "..." not in text.split("Commands:")[1], "a short help is cut off"


def examples() -> list[str]:
    found = []
    for command in (main, *main.commands.values()):
        _, _, after = (command.help or "").partition("Example:\n")
        lines = [line.strip() for line in after.splitlines()]
        assert lines, f"the help of {command.name} has no example"
        found += [line for line in lines if line.startswith("omopsql ")]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("command", examples())
def test_the_examples_of_the_help_run(clinic, demo_folder, folder, command):
    if not command.startswith("omopsql demo"):
        Path("omopsql_demo").symlink_to(demo_folder)
        Path("athena_download").symlink_to(demo_folder / "vocabulary")
    for name in ("patients.csv", "hospital.duckdb", "model.parquet"):
        (folder / name).write_bytes((clinic / name).read_bytes())
    duckdb.execute(
        "COPY (SELECT sex, 40 AS age, 'x' AS \"postal code\", 'y' AS remarks FROM 'patients.csv') TO 'p.csv'"
    )
    duckdb.execute("COPY (FROM 'p.csv') TO 'synthetic.parquet'")
    if "remarks" in command:
        Path("p.csv").replace("patients.csv")
    done(*shlex.split(command.partition(" > ")[0])[1:])


def test_every_option_says_what_it_is():
    for command in main.commands.values():
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{command.name} {parameter.name}"


# --- how it ends: in a process of its own


def test_a_module_and_its_exit_code(folder):
    ran = subprocess.run([*COMMAND, "query", "SELECT error('broken')"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "Error: broken\n")


def test_a_terminal_that_cannot_show_a_character():
    result = CliRunner(charset="latin-1").invoke(main, ["query", "SELECT '患' AS t"])
    told = "of this terminal cannot show '\\u60a3'; set PYTHONUTF8=1, or write a file with -o\n"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(told)


def test_a_reader_that_goes_away_ends_it_quietly(folder):
    command = f"{shlex.join(COMMAND)} query 'FROM range(100000000)' --format csv | head -n 2; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("range\n0\n141\n", "")


def interrupt_when(ready, process: subprocess.Popen[str]) -> tuple[int, str]:
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    return process.returncode, told


def test_ctrl_c_while_a_file_is_written(folder):
    sql = "SELECT i, md5(i::VARCHAR) AS m FROM range(10000000000) AS r (i)"
    process = subprocess.Popen([*COMMAND, "query", sql, "-o", "out.parquet"], stderr=subprocess.PIPE, text=True)
    assert interrupt_when(lambda: any(folder.glob(".*.part")), process) == (130, "Stopped: nothing was written.\n")
    assert files(folder) == []


def test_ctrl_c_while_python_runs_inside_a_query(folder):
    """DuckDB cannot interrupt it, so the process must not wait for it."""
    code = """
import time, omopsql
from omopsql.cli import main, watch
from omopsql.registry import routine
watch._TIME_TO_STOP = 0.2
def sleep(x: int) -> int:
    open("started", "w").close()
    time.sleep(60)
    return x
connect = omopsql.connect
def slow(*arguments):
    con = connect(*arguments)
    con.create_function("slow", sleep)
    return con
omopsql.connect = slow
main(["query", "SELECT slow(1)", "-o", "out.csv"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert interrupt_when((folder / "started").exists, process) == (130, "Stopped: nothing was written.\n")
    assert files(folder) == ["started"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_bar_on_a_terminal(folder):
    import pty

    code = (
        f"from omopsql.cli import main, watch\nwatch.SHOWN_AFTER = 0.02\nmain(['query', {SLOW!r}, '--format', 'csv'])"
    )
    ours, theirs = pty.openpty()
    ran = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 4096):
            drawn += piece
    os.close(ours)
    assert ran.communicate()[0] == b"n\n1000000\n"
    assert b"Running" in drawn


def test_no_bar_in_a_pipe(monkeypatch):
    """Neither ours nor DuckDB's, which it would write between the rows on stdout."""
    setting = "SELECT value FROM duckdb_settings() WHERE name = 'enable_progress_bar_print'"
    assert done("query", setting, "--format", "csv").output == "value\nfalse\n"
    monkeypatch.setattr(watch, "SHOWN_AFTER", 0.0)
    assert done("query", SLOW, "--format", "csv").output == "n\n1000000\n"


def test_watched_work_raises_what_it_raised(con):
    with pytest.raises(duckdb.CatalogException):
        watched(con, lambda: con.execute("FROM nowhere"), "Looking")
    with pytest.raises(TimeoutError, match="their own"):
        watched(con, raise_timeout, "Looking")
    assert watched(con, lambda: con.execute("SELECT 7").fetchall(), "Looking") == [(7,)]


def raise_timeout() -> None:
    raise TimeoutError("their own")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("Invalid Input Error: there is no file x", "there is no file x"),
        (
            'Catalog Error: no t!\nDid you mean "u"?\n\nLINE 1: FROM t\n             ^',
            'Catalog Error: no t! Did you mean "u"?',
        ),
        ("Parser Error: bad\nLINE 1: x", "Parser Error: bad"),
        ("two\n  lines", "two lines"),
    ],
)
def test_errors_in_one_line(message, line):
    assert one_line(duckdb.Error(message)) == line
