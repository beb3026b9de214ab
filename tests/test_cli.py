"""The command line: what it says when something is wrong, its help, and files that appear whole or not at all."""

import shlex
from pathlib import Path

import click
import duckdb
import published
import pytest
from commands import done, files, refused, run

import omopsql
from omopsql import registry
from omopsql.cli import main
from omopsql.cli.failures import one_line
from omopsql.cli.files import completed
from omopsql.cli.report import show_table

# --- what is wrong, in one line


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
def test_wrong_data_is_one_line_and_leaves_no_file(learned_clinic, folder, arguments, told):
    Path("empty.csv").write_text("a,b\n")
    patients = str(learned_clinic / "patients.csv")
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
        assert f"plain,{expected}\n" in run().stdout


def test_version():
    assert done("--version").stdout == f"omopsql, version {omopsql.__version__}\n"


def test_help_names_the_verbs_and_the_exit_codes():
    text = done("--help").stdout
    for word in ("fit", "synthesize", "query", "functions", "completion", "Exit codes:", "130"):
        assert word in text
    assert "..." not in text.split("Commands:")[1], "a short help is cut off"


RUN_ELSEWHERE = (
    *("omopsql site mask", "omopsql site unmask", "omopsql aggregate"),  # with other sites: test_federate_masks.py
    "omopsql catalogue releases/* -o site/ --explorer",  # with a package: test_catalogue_explorer.py
)


def examples() -> list[str]:
    found = []
    for command in (main, *main.commands.values()):
        _, _, after = (command.help or "").partition("Example:\n")
        lines = [line.strip() for line in after.splitlines()]
        assert lines, f"the help of {command.name} has no example"
        found += [line for line in lines if line.startswith("omopsql ") and not line.startswith(RUN_ELSEWHERE)]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("command", examples())
def test_the_examples_of_the_help_run(learned_clinic, demo_folder, folder, command, monkeypatch):
    published.prepare_examples(demo_folder, folder, monkeypatch)
    if not command.startswith("omopsql demo"):
        Path("omopsql_demo").symlink_to(demo_folder)
        Path("athena_download").symlink_to(demo_folder / "vocabulary")
        for name in ("hospital_model.parquet", "north.parquet", "south.parquet"):
            Path(name).write_bytes((demo_folder / "synthetic" / "model.parquet").read_bytes())  # one example writes it
    for name in ("patients.csv", "hospital.duckdb", "model.parquet"):
        (folder / name).write_bytes((learned_clinic / name).read_bytes())
    for name in ("synthetic.csv", "unseen.csv"):
        (folder / name).write_bytes((learned_clinic / "patients.csv").read_bytes())
    duckdb.execute(
        "COPY (SELECT sex, 40 AS age, 'x' AS \"postal code\", 'y' AS remarks FROM 'patients.csv') TO 'p.csv'"
    )
    duckdb.execute("COPY (FROM 'p.csv') TO 'synthetic.parquet'")
    duckdb.execute("COPY (FROM 'patients.csv') TO 'patients.parquet'")
    Path("policy.yaml").write_text("policy: 1")
    if "remarks" in command:
        Path("p.csv").replace("patients.csv")
    typed = [sorted(map(str, Path().glob(word))) or [word] for word in shlex.split(command.partition(" > ")[0])]
    done(*[word for words in typed[1:] for word in words])


def test_every_option_says_what_it_is():
    for command in main.commands.values():
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{command.name} {parameter.name}"


# --- what a verb tells


def test_a_small_table_on_the_terminal(capsys):
    show_table(("what", "rows", "seconds"), [("[red]x", 1234, 0.25), (None, 5, 12.0)])
    written = capsys.readouterr()
    assert written.out == ""
    assert [line.rstrip() for line in written.err.splitlines()] == [
        "what     rows  seconds",
        "[red]x  1,234      0.2",
        "            5     12.0",
    ]
    show_table(("reason", "example"), [("reason " * 30, "example " * 30)])
    assert len(capsys.readouterr().err.splitlines()) == 2  # a pipe has room for everything
