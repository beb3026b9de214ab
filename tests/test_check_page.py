"""The page of omopsql check: it stands alone, nothing from the data becomes HTML, and it tells what check_cdm tells."""

import base64
import hashlib
import json
import re
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from commands import done
from sound_cdm import ROWS, SoundCdm

import omopsql
from omopsql.quality.report.page import _percent

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
NO_GENDER = "field_isrequired_person_gender_concept_id"


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.inside.append((self.elements[-1][0] if self.elements else "", data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        """What a reader sees without the script."""
        return " ".join(" ".join(text for tag, text in self.inside if tag not in ("script", "style")).split())


def data_of(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def checks_of(data: dict) -> dict[str, dict]:
    found = (dict(zip(data["columns"], row, strict=True)) for row in data["rows"])
    return {check["id"]: check for check in found}


def make(folder: Path, *arguments: str) -> str:
    done("check", "cdm", "--database", str(folder / "hospital.duckdb"), "-o", str(folder / "page.html"), *arguments)
    return (folder / "page.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a CDM whose texts are HTML, and checks of a user's own with such names."""
    folder = tmp_path_factory.mktemp("evil")
    with closing(omopsql.connect(folder / "hospital.duckdb")) as con:
        cdm = SoundCdm(con, "cdm")
        quoted = EVIL.replace("'", "''")
        for table, field in (("person", "person_source_value"), ("person", "gender_source_value")):
            cdm.put(table, field, f"'{quoted}'", ROWS)
        for field in ("cdm_source_name", "cdm_holder", "vocabulary_version"):
            cdm.put("cdm_source", field, f"'{quoted}'", ROWS)
        cdm.put("person", "gender_concept_id", "NULL", 5)
        cdm.put("person", "race_source_value", "repeat('long ', 100)", ROWS)
    (folder / "own").mkdir()
    (folder / "own" / "thresholds.csv").write_text("check_name,cdm_table,threshold\nodd,person,\n")
    (folder / "own" / "odd.sql").write_text(
        f"-- @level TABLE\n-- @category {EVIL}\n-- @context {EVIL}\n-- @severity {EVIL}\n-- {EVIL}\n"
        "SELECT *, true AS is_violated FROM person\n"
    )
    return folder


@pytest.fixture(scope="module")
def page(evil: Path) -> str:
    return make(evil, "--checks", str(evil / "own"), "--examples", "2", "--today", "2026-06-30")


# --- it stands alone, and nothing from the data becomes HTML


def test_the_only_scripts_are_its_own(page):
    found = Page(page)
    assert [attributes.get("type") for attributes in found.named("script")] == ["application/json", None]
    assert not found.named("img")
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert EVIL not in page
    assert "<script>alert" not in page
    assert EVIL in found.words, "it is shown, as text"


def test_the_policy_lets_only_its_own_script_and_style_run(page):
    policy = next(
        attributes["content"]
        for attributes in Page(page).named("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_nothing_is_loaded(page):
    for tag, attributes in Page(page).elements:
        assert tag not in ("link", "iframe", "object", "embed")
        assert "src" not in attributes
    assert "@import" not in page
    assert "url(" not in re.search(r"<style>(.*?)</style>", page, re.S)[1]


def test_the_script_never_writes_html():
    script = (Path(omopsql.__file__).parent / "quality" / "page" / "page.js").read_text(encoding="utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in script


# --- it tells what check_cdm tells


def test_every_check_is_on_it(evil, page):
    data = data_of(page)
    found = checks_of(data)
    with closing(omopsql.connect(evil / "hospital.duckdb", read_only=True)) as con:
        told = con.execute(
            f"""
            SELECT checkId, numViolatedRows, numDenominatorRows, pctViolatedRows, thresholdValue, severity, category,
                CASE WHEN notApplicable = 1 THEN 'not applicable' WHEN isError = 1 THEN 'error'
                    WHEN failed = 1 THEN 'failed' ELSE 'passed' END
            FROM omopsql.check_cdm('cdm', checks := '{evil}/own', today := '2026-06-30')
            """
        ).fetchall()
    assert len(told) == len(found)
    for check_id, *rest in told:
        check = found[check_id] | data["kinds"][found[check_id]["name"]]
        shown = ("violated", "rows", "share", "threshold", "severity", "category", "status")
        assert [check[name] for name in shown] == rest


def test_the_worst_comes_first(page):
    data = data_of(page)
    rows = list(checks_of(data).values())
    statuses = [row["status"] for row in rows]
    assert list(dict.fromkeys(statuses)) == ["failed", "passed", "not applicable"][: len(set(statuses))]
    failed = [data["kinds"][row["name"]]["severity"] for row in rows if row["status"] == "failed"]
    assert failed[0] == "fatal"
    assert failed[-1] == EVIL, "a severity that only a user knows comes last"


def test_the_query_of_a_failed_check_finds_its_rows(evil, page):
    data = data_of(page)
    failed = [check for check in checks_of(data).values() if check["status"] == "failed"]
    assert NO_GENDER in data["queries"]
    with closing(omopsql.connect(evil / "hospital.duckdb", read_only=True)) as con:
        for check in failed:
            for sql in (data["queries"][check["id"]], data["calls"][check["id"]]):
                assert len(con.execute(sql).fetchall()) == check["violated"], sql


def test_head_and_boxes_need_no_script(evil):
    words = Page(make(evil, "--name", "Town & Sons")).words
    assert "Town & Sons" in words
    assert "of them fatal." in words
    for heading in ("All checks", "Plausibility", "Conformance", "Completeness", "Verification", "Validation"):
        assert heading in words


@pytest.mark.parametrize(
    ("percent", "written"),
    [(None, "-"), (0.0, "0 %"), (0.2, "&lt;1 %"), (49.6, "50 %"), (99.9, "&gt;99 %"), (100.0, "100 %")],
)
def test_all_and_none_are_not_rounded_to(percent, written):
    assert _percent(percent) == written


# --- example rows


def test_rows_of_patients_are_on_it_only_when_asked_for(evil, page):
    plain = make(evil)
    assert data_of(plain)["examples"] == {}
    assert "rows of patients" not in plain
    assert "long long" not in plain, "no value of the tables"
    assert "This page holds rows of patients" in Page(page).words


def test_so_many_example_rows_as_asked_for(page):
    examples = data_of(page)["examples"]
    shown = examples[NO_GENDER]
    assert len(shown["rows"]) == 2
    row = dict(zip(shown["columns"], shown["rows"][0], strict=True))
    assert row["gender_concept_id"] is None
    assert row["person_source_value"] == EVIL
    assert len(row["race_source_value"]) == 200, "long values are cut"


def test_example_rows_are_warned_of(evil):
    arguments = ["check", "cdm", "--database", str(evil / "hospital.duckdb"), "-o", str(evil / "p.html")]
    assert "holds rows of patients" in done(*arguments, "--examples", "1").stderr
    assert "Warning" not in done(*arguments).stderr


# --- real data


def test_a_page_of_many_failures_is_small(data_folder, folder):
    done("check", str(data_folder("dqd/dev/cdm")), "-o", "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    statuses = [check["status"] for check in checks_of(data_of(text)).values()]
    assert (statuses.count("failed"), statuses.count("error"), len(statuses)) == (265, 8, 2374)
    assert "265 of 1,834 checks failed, 41 of them fatal. 8 checks could not be answered." in Page(text).words
