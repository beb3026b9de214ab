"""The verbs fit and synthesize: what they write, what they say, and what reaches the functions behind them."""

import contextlib
import shlex
from pathlib import Path

import duckdb
import pytest
from commands import done, files, rows

import omopsql
from omopsql.cli.options import struct

ODD = "a \"b\"; DROP TABLE x; -- 'c'"


def test_fit_writes_a_model_and_says_what_it_learned(learned_clinic, folder):
    result = done("fit", str(learned_clinic / "patients.csv"), "-o", "model.parquet", "--column", "smoking=skip")
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


def test_the_same_model_and_seed_give_the_same_file(learned_clinic, folder):
    model = str(learned_clinic / "model.parquet")
    for name, seed in (("a.csv", "7"), ("b.csv", "7"), ("c.csv", "8")):
        result = done("synthesize", model, "-n", "300", "--seed", seed, "-o", name)
        assert result.stderr == f"Wrote 300 rows to {name}\n"
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes() != Path("c.csv").read_bytes()
    done("synthesize", model, "-n", "300", "--seed", "7", "-o", "a.parquet")
    assert [tuple(map(str, row)) for row in rows("a.parquet")] == [tuple(map(str, row)) for row in rows("a.csv")]
    assert len(Path("a.csv").read_text().splitlines()) == 301


def test_no_rows_is_a_file_with_a_header(learned_clinic, folder):
    done("synthesize", str(learned_clinic / "model.parquet"), "-n", "0", "-o", "none.csv")
    assert Path("none.csv").read_text().startswith("patient_id,sex,birth_date,")
    assert len(Path("none.csv").read_text().splitlines()) == 1


def test_tables_of_a_database(learned_clinic, folder):
    database = str(learned_clinic / "hospital.duckdb")
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


def test_given_reaches_the_function(monkeypatch, learned_clinic, folder):
    """As texts, split at the first =: the function knows the types of its columns."""
    sent = []

    class Recorded:
        def __init__(self, con):
            self.con = con

        def execute(self, sql):
            if not sql.startswith("COPY "):
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
