"""What the pages say is so: the list of functions is current, and every example and SQL block runs."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import omopsql
from omopsql import docs
from omopsql.registry import Example, Function, functions

ROOT = Path(__file__).parents[1]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.exists()]
SQL_BLOCK = re.compile(r"^```sql\n(.*?)^```$", re.M | re.S)


def first_value(con: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """The first value of the first row as Python prints it; None when there is no row."""
    row = con.execute(sql).fetchone()
    return None if row is None else str(row[0])


def wrong(con: duckdb.DuckDBPyConnection, example: Example) -> str | None:
    """Tell how an example's answer differs from the stated one; None when it is right."""
    answer = first_value(con, example.sql)
    if example.result is None or answer == example.result:
        return None
    return f"{example.sql} answers {answer}, not {example.result}"


@pytest.fixture(scope="module")
def example_con(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in a folder of its own, with the inputs that the page of functions makes first."""
    with contextlib.chdir(tmp_path_factory.mktemp("examples")), contextlib.closing(omopsql.connect()) as con:
        Path("omopsql_demo").symlink_to(demo_folder)
        con.execute(docs.EXAMPLE_INPUTS)
        yield con


def test_an_example_with_a_wrong_result_is_found(con):
    assert wrong(con, Example("SELECT 0.1 + 0.2", "0.3")) is None  # decimals
    assert wrong(con, Example("SELECT 1", "2")) == "SELECT 1 answers 1, not 2"
    assert wrong(con, Example("SELECT 0.1::DOUBLE + 0.2", "0.3")) is not None
    assert wrong(con, Example("SELECT 1 WHERE false", "1")) is not None
    assert wrong(con, Example("SELECT NULL", "None")) is None


def test_the_page_of_functions_is_current():
    page = ROOT / docs.PAGE
    assert page.exists(), "run python -m omopsql.docs"
    assert page.read_text(encoding="utf-8") == docs.render(), "run python -m omopsql.docs"


def test_the_page_names_every_function():
    text = docs.render()
    for function in functions():
        assert f"### {function.name}\n" in text
        assert f"`{function.signature}`" in text


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.name)
def test_examples_answer_what_they_say(example_con: duckdb.DuckDBPyConnection, function: Function):
    found = [wrong(example_con, example) for example in function.examples]
    assert not any(found), "; ".join(filter(None, found))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sql_blocks_run(con, page: Path, demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In order, on one connection and in one folder: the first block of a page may make what the others read."""
    monkeypatch.chdir(tmp_path)
    Path("omopsql_demo").symlink_to(demo_folder)
    text = page.read_text(encoding="utf-8")
    for block in SQL_BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        for statement in con.extract_statements(block[1]):
            try:
                con.execute(statement).fetchall()
            except duckdb.Error as error:
                pytest.fail(f"{page.name}, the block at line {line}: {error}")


def test_writing_the_page_anywhere_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(docs, "PAGE", tmp_path / "nowhere" / "functions.md")
    with pytest.raises(SystemExit, match="nowhere"):
        docs.main()
    (tmp_path / "nowhere").mkdir()
    docs.main()
    assert [path.name for path in (tmp_path / "nowhere").iterdir()] == ["functions.md"]
