"""Vocabularies: reading what Athena hands out, loading it, what each code means, and the functions on top."""

import contextlib
import gzip
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

import omopsql
from omopsql import OmopsqlError
from omopsql.cli.vocabulary import vocabulary as vocabulary_verb
from omopsql.harmonize import current_vocabulary, vocabulary_load
from omopsql.harmonize.vocabulary import open_vocabulary
from omopsql.harmonize.vocabulary_load import Loaded, load_vocabulary

# As Athena writes them, but with | for the tab.
CONCEPT = """\
concept_id|concept_name|domain_id|vocabulary_id|concept_class_id|\
standard_concept|concept_code|valid_start_date|valid_end_date|invalid_reason
320128|Essential hypertension|Condition|SNOMED|Disorder|S|59621000|19700101|20991231|
316866|Hypertensive disorder|Condition|SNOMED|Disorder|S|38341003|19700101|20991231|
35207668|Essential (primary) hypertension|Condition|ICD10CM|3-char billing code||I10|20070101|20991231|
11|"Light-for-dates" infant|Condition|SNOMED|Disorder|S|11|19700101|20991231|
12|Old name of hypertension|Condition|SNOMED|Disorder||12|19700101|20150730|U
13|Code that moved once|Condition|ICD10CM|4-char nonbill code||A01.1|19700101|20991231|
14|Where it moved, not standard|Condition|SNOMED|Disorder||14|19700101|20991231|
15|Allergy status to penicillin|Observation|ICD10CM|4-char billing code||Z88.0|19700101|20991231|
16|Allergy to drug|Observation|SNOMED|Finding|S|416098002|19700101|20991231|
17|Penicillin G|Drug|RxNorm|Ingredient|S|7980|19700101|20991231|
18|Code without any target|Condition|ICD10CM|4-char billing code||Q99.9|19700101|20991231|
19|Class of drugs|Drug|ATC|ATC 4th|C|J01CE|19700101|20991231|
20|Old twin|Condition|ICD10CM|4-char billing code||I1.0|19700101|20010101|D
""".replace("|", "\t")
RELATIONSHIP = """\
concept_id_1|concept_id_2|relationship_id|valid_start_date|valid_end_date|invalid_reason
320128|320128|Maps to|19700101|20991231|
35207668|320128|Maps to|19700101|20991231|
35207668|316866|Maps to|19700101|20010101|D
12|320128|Concept replaced by|19700101|20991231|
12|316866|Concept poss_eq to|19700101|20991231|
13|14|Maps to|19700101|20991231|
14|11|Maps to|19700101|20991231|
15|16|Maps to|19700101|20991231|
15|320128|Maps to|19700101|20991231|
15|17|Maps to value|19700101|20991231|
320128|316866|Is a|19700101|20991231|
""".replace("|", "\t")
ANCESTOR = """\
ancestor_concept_id|descendant_concept_id|min_levels_of_separation|max_levels_of_separation
316866|316866|0|0
316866|320128|1|1
320128|320128|0|0
""".replace("|", "\t")
SYNONYM = """\
concept_id|concept_synonym_name|language_concept_id
320128|Systemic "primary" arterial hypertension|4180186
""".replace("|", "\t")
# code: source, target, domain of the target, value
MEANINGS = {
    ("SNOMED", "59621000"): {(320128, 320128, "Condition", None)},
    ("SNOMED", "38341003"): {(316866, 316866, "Condition", None)},  # standard, without a relationship
    ("ICD10CM", "I10"): {(35207668, 320128, "Condition", None)},  # neither a withdrawn mapping nor the invalid twin
    ("SNOMED", "11"): {(11, 11, "Condition", None)},
    ("SNOMED", "12"): {(12, 320128, "Condition", None)},  # replaced by before possibly equal to
    ("ICD10CM", "A011"): {(13, 11, "Condition", None)},  # followed once more
    ("SNOMED", "14"): {(14, 11, "Condition", None)},
    ("ICD10CM", "Z880"): {(15, 16, "Observation", 17), (15, 320128, "Condition", None)},
    ("SNOMED", "416098002"): {(16, 16, "Observation", None)},
    ("RxNorm", "7980"): {(17, 17, "Drug", None)},
    ("ICD10CM", "Q999"): {(18, None, None, None)},
    ("ATC", "J01CE"): {(19, None, None, None)},
}


@pytest.fixture
def athena(tmp_path: Path) -> Path:
    """A small download as Athena writes it."""
    folder = tmp_path / "athena"
    folder.mkdir()
    for name, text in (
        ("CONCEPT", CONCEPT),
        ("CONCEPT_RELATIONSHIP", RELATIONSHIP),
        ("CONCEPT_ANCESTOR", ANCESTOR),
        ("CONCEPT_SYNONYM", SYNONYM),
    ):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def loaded(athena: Path, tmp_path: Path) -> Path:
    """The same, loaded."""
    return load(athena, tmp_path / "vocabulary").folder


@contextlib.contextmanager
def connected() -> Iterator[duckdb.DuckDBPyConnection]:
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        yield con


def load(source: Path, output: Path) -> Loaded:
    with connected() as con:
        return load_vocabulary(con, source, output)


def meanings(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[tuple[str, str], set[tuple]]:
    relation = open_vocabulary(con, folder).relation("code_map")
    found: dict[tuple[str, str], set[tuple]] = {}
    rows = con.execute(
        "SELECT vocabulary_id, clean_code, source_concept_id, target_concept_id, target_domain_id, value_concept_id "
        f"FROM {relation}"
    ).fetchall()
    for vocabulary, code, *meaning in rows:
        assert tuple(meaning) not in found.get((vocabulary, code), set())
        found.setdefault((vocabulary, code), set()).add(tuple(meaning))
    return found


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_download_is_read_as_it_stands(con, athena):
    concept = open_vocabulary(con, athena).relation("concept")
    assert con.execute(
        f"SELECT concept_id, concept_name, standard_concept, valid_start_date::VARCHAR, invalid_reason FROM {concept} "
        "WHERE concept_id IN (11, 20, 18) ORDER BY 1"
    ).fetchall() == [
        (11, '"Light-for-dates" infant', "S", "1970-01-01", None),
        (18, "Code without any target", None, "1970-01-01", None),
        (20, "Old twin", None, "1970-01-01", "D"),
    ]
    described = dict(row[:2] for row in con.execute(f"DESCRIBE FROM {concept}").fetchall())
    assert (described["concept_id"], described["valid_end_date"]) == ("INTEGER", "DATE")


def test_codes_lead_to_their_standard_concepts(con, athena):
    assert meanings(con, athena) == MEANINGS


def test_a_loaded_vocabulary_means_the_same(con, athena, loaded):
    assert meanings(con, loaded) == MEANINGS
    plain, stored = open_vocabulary(con, athena), open_vocabulary(con, loaded)
    assert (plain.is_loaded, stored.is_loaded) == (False, True)
    for name in plain.relations:
        of_both = [con.execute(f"FROM {each.relation(name)} ORDER BY ALL").fetchall() for each in (plain, stored)]
        assert of_both[0] == of_both[1], name
        types = [con.execute(f"DESCRIBE FROM {each.relation(name)}").fetchall() for each in (plain, stored)]
        assert types[0] == types[1], name


def test_tables_without_a_file_have_no_rows(con, athena):
    vocabulary = open_vocabulary(con, athena)
    assert con.execute(f"FROM {vocabulary.relation('drug_strength')}").fetchall() == []
    columns = [
        row[0] for row in con.execute(f"DESCRIBE FROM {vocabulary.relation('source_to_concept_map')}").fetchall()
    ]
    assert columns[0] == "source_code"
    assert "target_concept_id" in columns


def test_loading_tells_the_rows_and_sorts_them(athena, tmp_path):
    (athena / "CONCEPT_CPT4.csv").write_text(
        "concept_id\tconcept_name\n", encoding="utf-8"
    )  # Athena adds it; not a table
    told = load(athena, tmp_path / "vocabulary")
    assert told.rows == {
        "concept": 13, "concept_relationship": 11, "concept_ancestor": 3, "concept_synonym": 1, "code_map": 13
    }  # fmt: skip
    assert told.notes == ()
    with contextlib.closing(duckdb.connect()) as con:
        ids = con.execute(f"SELECT concept_id FROM '{told.folder}/concept.parquet'").fetchall()
        firsts = con.execute(f"SELECT concept_id_1 FROM '{told.folder}/concept_relationship.parquet'").fetchall()
    assert ids == sorted(ids)
    assert firsts == sorted(firsts)


def test_other_shapes_mean_the_same(con, athena, tmp_path):
    """Commas and quotes, Parquet, gzip, upper-case names and columns; few columns."""
    shapes = {
        "comma": ("concept.csv", "(FORMAT csv, HEADER, FORCE_QUOTE *)"),
        "parquet": ("Concept.PARQUET", "(FORMAT parquet)"),
        "gzip": ("CONCEPT.csv.gz", "(FORMAT csv, HEADER, DELIMITER '\t', QUOTE '', ESCAPE '', COMPRESSION gzip)"),
    }
    read = f"read_csv('{athena}/CONCEPT.csv', delim='\t', quote='', all_varchar=true)"
    few = "concept_name, domain_id, vocabulary_id, standard_concept, concept_code, invalid_reason"
    for name, (file, options) in shapes.items():
        folder = tmp_path / name
        folder.mkdir()
        con.execute(f"COPY (SELECT concept_id AS CONCEPT_ID, {few} FROM {read}) TO '{folder / file}' {options}")
        with gzip.open(folder / "CONCEPT_RELATIONSHIP.CSV.GZ", "wt", encoding="utf-8") as text:
            text.write(RELATIONSHIP)
        assert meanings(con, folder) == MEANINGS, name
        loaded = load(folder, tmp_path / f"{name}_loaded")
        assert meanings(con, loaded.folder) == MEANINGS, name
        assert loaded.notes == ("there is no concept_ancestor, so drug eras and descendants will be empty",)
        names = con.execute(
            f"SELECT concept_name FROM '{loaded.folder}/concept.parquet' WHERE concept_id = 11"
        ).fetchall()
        assert names == [('"Light-for-dates" infant',)]


def test_lines_that_cannot_be_read_are_counted(athena, tmp_path):
    with (athena / "CONCEPT.csv").open("ab") as file:
        file.write(b"21\tname that is cut\n")
        file.write(b"22\tone\tfield\ttoo\tmany\tS\t22\t19700101\t20991231\t\textra\n")
        file.write(b"23\tinvalid \xff byte\tCondition\tSNOMED\tDisorder\tS\t23\t19700101\t20991231\t\n")
        file.write(b"24\tgood\tCondition\tSNOMED\tDisorder\tS\t24\tno date\t20991231\t\n")
    told = load(athena, tmp_path / "vocabulary")
    assert told.rows["concept"] == 14
    cut, undated = told.notes
    assert cut.startswith("CONCEPT.csv: 3 lines cannot be read, left out; the first is line 15: ")
    assert undated == "CONCEPT.csv: valid_start_date is empty or cannot be read in 1 row"


def test_relationships_of_unknown_concepts_are_counted(athena, tmp_path):
    with (athena / "CONCEPT_RELATIONSHIP.csv").open("a") as file:
        file.write("320128\t999\tIs a\t19700101\t20991231\t\n")
        file.write("998\t999\tIs a\t19700101\t20991231\t\n")
    assert load(athena, tmp_path / "vocabulary").notes == (
        "CONCEPT_RELATIONSHIP.csv: concept_id_1 is an unknown concept in 1 row",
        "CONCEPT_RELATIONSHIP.csv: concept_id_2 is an unknown concept in 2 rows",
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("\n11\t", "\n12\t", r"CONCEPT\.csv: concept_id 12 stands there more than once$"),
        ("\n11\t", "\nx11\t", r"CONCEPT\.csv: concept_id must be an integer, but is 'x11'"),
        ("\n11\t", "\n\t", r"CONCEPT\.csv: concept_id must be an integer, but is empty"),
        ("\tC\tJ01CE", "\tX\tJ01CE", r"CONCEPT\.csv: standard_concept is 'X' for concept 19; it must be S, C or empty"),
        ("concept_code\t", "code\t", r"CONCEPT\.csv has no column concept_code; it has concept_id, "),
        ("domain_id\t", "concept_id\t", r"CONCEPT\.csv has two columns of one name"),
    ],
)
def test_wrong_concepts_are_refused(athena, tmp_path, old: str, new: str, told: str):
    change(athena, "CONCEPT", old, new)
    with pytest.raises(OmopsqlError, match=told):
        load(athena, tmp_path / "vocabulary")
    assert [path.name for path in tmp_path.iterdir()] == ["athena"]


def test_a_key_among_broken_lines_is_still_named(athena, tmp_path):
    with (athena / "CONCEPT.csv").open("a") as file:
        file.write("21\tname that is cut\nx\tno key\tCondition\tSNOMED\tDisorder\tS\t22\t19700101\t20991231\t\n")
    with pytest.raises(OmopsqlError, match="concept_id must be an integer, but is 'x'"):
        load(athena, tmp_path / "vocabulary")


def test_folders_may_have_odd_names(con, athena, tmp_path):
    odd = tmp_path / "it's [a] * name"
    told = load(athena.rename(tmp_path / "athena [2024]"), odd)
    assert told.rows["concept"] == 13
    assert con.execute("SELECT count(*) FROM omopsql.use_vocabulary(?)", [str(odd)]).fetchall() == [(11,)]
    assert len(con.execute("FROM omopsql.concept(17)").fetchall()) == 1


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_are_read(con, athena, tmp_path, end: str):
    (athena / "CONCEPT.csv").write_bytes(CONCEPT.replace("\n", end).encode())
    assert meanings(con, load(athena, tmp_path / "vocabulary").folder) == MEANINGS


def test_a_file_that_changes_its_line_ends_is_named(athena, tmp_path):
    """DuckDB cannot tell such a file from a broken one, so nothing is guessed."""
    (athena / "CONCEPT.csv").write_bytes(CONCEPT.replace("\n", "\r\n").encode() + b"24\tunix\n25\tunix\n")
    with pytest.raises(OmopsqlError, match=r"CONCEPT\.csv cannot be read: "):
        load(athena, tmp_path / "vocabulary")


def test_what_is_missing_is_named(con, athena, tmp_path):
    with pytest.raises(OmopsqlError, match=r"there is no vocabulary folder .*nowhere"):
        open_vocabulary(con, tmp_path / "nowhere")
    (athena / "CONCEPT_RELATIONSHIP.csv").unlink()
    with pytest.raises(OmopsqlError, match=r"athena has no file for concept_relationship; CONCEPT_RELATIONSHIP\.csv"):
        open_vocabulary(con, athena)
    (athena / "concept.parquet").write_bytes(b"no parquet")
    with pytest.raises(OmopsqlError, match=r"CONCEPT\.csv and .*concept\.parquet are the same table"):
        open_vocabulary(con, athena)
    (athena / "CONCEPT.csv").unlink()
    (athena / "concept_relationship.csv").write_text(RELATIONSHIP)
    with pytest.raises(OmopsqlError, match=r"concept\.parquet cannot be read"):
        open_vocabulary(con, athena)


def test_a_vocabulary_is_replaced_at_the_end_or_not_at_all(athena, loaded, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in loaded.iterdir()}

    def interrupt(con: duckdb.DuckDBPyConnection, part: Path) -> None:
        assert (part / "concept.parquet").exists()
        assert {path.name: path.read_bytes() for path in loaded.iterdir()} == before
        raise KeyboardInterrupt

    change(athena, "CONCEPT", "Old twin", "New twin")
    with monkeypatch.context() as patch:
        patch.setattr(vocabulary_load, "_write_code_map", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load(athena, loaded)
    assert {path.name: path.read_bytes() for path in loaded.iterdir()} == before
    load(athena, loaded)
    assert {path.name for path in loaded.iterdir()} == set(before)
    assert (loaded / "concept.parquet").read_bytes() != before["concept.parquet"]
    assert {path.name for path in tmp_path.iterdir()} == {"athena", "vocabulary"}


def test_nothing_else_is_replaced(athena, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(OmopsqlError, match="mine holds something that is no vocabulary of omopsql"):
        load(athena, mine)
    with pytest.raises(OmopsqlError, match="would replace"):
        load(athena, athena)
    with pytest.raises(OmopsqlError, match="would replace"):
        load(athena, tmp_path)
    with pytest.raises(OmopsqlError, match="there is no folder"):
        load(athena, tmp_path / "not" / "there")
    assert (mine / "thesis.txt").exists()
    assert len(list(athena.iterdir())) == 4


def test_the_verb_tells_what_it_wrote(athena, tmp_path):
    (athena / "CONCEPT_ANCESTOR.csv").unlink()
    output = tmp_path / "vocabulary"
    result = CliRunner().invoke(vocabulary_verb, ["load", str(athena), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "            13  concept\n" in result.output
    assert "Note: there is no concept_ancestor" in result.output
    assert f"Wrote {output}" in result.output
    assert (output / "code_map.parquet").exists()


@pytest.fixture
def without_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(current_vocabulary.VARIABLE, raising=False)


@pytest.mark.parametrize(
    "sql",
    [
        "FROM omopsql.concept(320128)",
        "SELECT count(*) FROM omopsql.concept(320128)",
        "FROM omopsql.descendants(320128)",
        "SELECT omopsql.standard_concept('ICD10CM', 'I10')",
        "SELECT count(*) FROM omopsql.vocabulary.concept_synonym",
    ],
)
def test_without_a_vocabulary_the_functions_say_so(without_vocabulary, sql: str):
    with connected() as con, pytest.raises(duckdb.Error, match=r"no vocabulary is in use; run FROM omopsql\.use_voc"):
        con.execute(sql).fetchall()


@pytest.mark.parametrize("form", ["athena", "loaded"])
def test_functions_read_the_vocabulary_in_use(con, request, form: str):
    folder = request.getfixturevalue(form)
    used = dict(con.execute("FROM omopsql.use_vocabulary(?)", [str(folder)]).fetchall())
    assert (used["concept"], used["concept_ancestor"], used["drug_strength"], used["code_map"]) == (13, 3, 0, 13)
    assert con.execute("SELECT concept_name, vocabulary_id FROM omopsql.concept(320128)").fetchall() == [
        ("Essential hypertension", "SNOMED")
    ]
    assert con.execute("FROM omopsql.concept(-1)").fetchall() == []
    assert con.execute("SELECT concept_id, min_levels_of_separation FROM omopsql.descendants(316866)").fetchall() == [
        (316866, 0),
        (320128, 1),
    ]
    con.execute(
        "CREATE TABLE diagnoses AS FROM (VALUES (1, ' i10'), (2, 'Z88.0'), (3, 'Q99.9'), (4, NULL)) AS d (n, icd)"
    )
    assert con.execute("SELECT n, omopsql.standard_concept('ICD10CM', icd) FROM diagnoses ORDER BY n").fetchall() == [
        (1, 320128),
        (2, 16),
        (3, None),
        (4, None),
    ]
    assert con.execute("SELECT omopsql.standard_concept(NULL, 'I10')").fetchall() == [(None,)]
    assert con.cursor().execute("SELECT count(*) FROM omopsql.vocabulary.concept").fetchall() == [(13,)]


def test_a_folder_that_is_no_vocabulary_leaves_the_one_in_use(con, athena, loaded, tmp_path):
    con.execute("FROM omopsql.use_vocabulary(?)", [str(loaded)]).fetchall()
    with pytest.raises(duckdb.Error, match="there is no vocabulary folder"):
        con.execute("FROM omopsql.use_vocabulary('nowhere')").fetchall()
    shutil.copytree(athena, tmp_path / "broken")
    with (tmp_path / "broken" / "CONCEPT.csv").open("a") as file:
        file.write("21\tcut\n")
    with pytest.raises(duckdb.Error, match=r"CONCEPT\.csv"):
        con.execute("FROM omopsql.use_vocabulary(?)", [str(tmp_path / "broken")]).fetchall()
    assert con.execute("SELECT omopsql.standard_concept('ICD10CM', 'I10')").fetchall() == [(320128,)]


def test_the_environment_chooses_the_vocabulary(loaded, monkeypatch):
    monkeypatch.setenv(current_vocabulary.VARIABLE, str(loaded))
    with connected() as con:
        assert con.execute("SELECT concept_name FROM omopsql.concept(17)").fetchall() == [("Penicillin G",)]
    monkeypatch.setenv(current_vocabulary.VARIABLE, "nowhere")
    with pytest.raises(OmopsqlError, match=r"^OMOPSQL_VOCABULARY: there is no vocabulary folder"):
        omopsql.connect()


def test_a_relative_folder_stays_the_same_after_a_change_of_directory(con, loaded, monkeypatch):
    monkeypatch.chdir(loaded.parent)
    con.execute(f"FROM omopsql.use_vocabulary('{loaded.name}')").fetchall()
    monkeypatch.chdir("/")
    assert len(con.execute("FROM omopsql.concept(17)").fetchall()) == 1


_RANKS = {"Maps to": 1, "Concept replaced by": 2, "Concept same_as to": 3, "Concept poss_eq to": 4}


def reference(concepts: dict[int, str | None], links: list[tuple[int, int, str]]) -> dict[int, set[int | None]]:
    """What ``code_map`` promises, without values, one concept after the other."""
    steps = {(a, b): _RANKS[kind] for a, b, kind in sorted(links, key=lambda link: -_RANKS[link[2]]) if a != b}
    found: dict[int, set[int | None]] = {}
    for concept in concepts:
        ways = [((0,), concept)] if concepts[concept] == "S" else []
        for (a, b), rank in steps.items():
            if a == concept and concepts[b] == "S":
                ways.append(((1, rank), b))
            if a == concept and concepts[b] != "S":
                ways += [((2, rank, second), d) for (c, d), second in steps.items() if c == b and concepts[d] == "S"]
        least = min((cost for cost, _ in ways), default=None)
        found[concept] = {target for cost, target in ways if cost == least} or {None}
    return found


@pytest.mark.parametrize("seed", range(5))
def test_random_vocabularies_map_as_promised(con, tmp_path, seed: int):
    draw = random.Random(seed)
    concepts = {i: draw.choice(["S", "C", None, None]) for i in range(1, 41)}
    links = list({(draw.randint(1, 40), draw.randint(1, 40), draw.choice(list(_RANKS))) for _ in range(60)})
    values = ", ".join(f"({i}, 'n', 'Condition', 'SNOMED', nullif('{s}', 'None'), '{i}')" for i, s in concepts.items())
    names = "concept_id, concept_name, domain_id, vocabulary_id, standard_concept, concept_code"
    con.execute(f"COPY (FROM (VALUES {values}) AS c ({names})) TO '{tmp_path}/concept.parquet'")
    values = ", ".join(map(str, links))
    names = "concept_id_1, concept_id_2, relationship_id"
    con.execute(f"COPY (FROM (VALUES {values}) AS r ({names})) TO '{tmp_path}/concept_relationship.parquet'")
    found = {source: {target for _, target, _, _ in rows} for (_, source), rows in meanings(con, tmp_path).items()}
    assert found == {str(concept): targets for concept, targets in reference(concepts, links).items()}


def test_the_public_subset_loads(data_folder, tmp_path):
    told = load(data_folder("vocabulary/athena_subset"), tmp_path / "vocabulary")
    assert told.rows["concept"] == 27_657
    assert told.rows["concept_relationship"] == 56_106
    assert told.rows["concept_ancestor"] == 23_482
    assert any("valid_start_date is empty or cannot be read" in note for note in told.notes)
    with connected() as con:
        con.execute("FROM omopsql.use_vocabulary(?)", [str(told.folder)]).fetchall()
        assert con.execute("SELECT omopsql.standard_concept('SNOMED', '44054006')").fetchall() == [(201826,)]


def test_codes_of_the_public_subset_map_as_ohdsi_maps_them(data_folder, con):
    """Where the subset holds a mapping of OHDSI's own ETL, it is made, but for codes that are standard themselves."""
    subset = data_folder("vocabulary/athena_subset")
    gold = data_folder("pair/tutorial_synthea/syntheaCDM") / "source_to_standard_vocab_map.csv"
    vocabulary = open_vocabulary(con, subset)
    con.execute(
        f"""
        CREATE TABLE gold AS
        SELECT DISTINCT m.source_concept_id::INTEGER AS source, m.target_concept_id::INTEGER AS target
        FROM read_csv('{gold}', all_varchar = true) AS m
        JOIN {vocabulary.relation("concept_relationship")} AS r
        ON r.concept_id_1 = m.source_concept_id::INTEGER AND r.concept_id_2 = m.target_concept_id::INTEGER
        WHERE r.relationship_id = 'Maps to' AND m.target_standard_concept = 'S' AND m.target_invalid_reason IS NULL
        """
    )
    con.execute(f"CREATE TABLE code_map AS FROM {vocabulary.relation('code_map')}")
    (rows,) = con.execute("SELECT count(*) FROM gold").fetchall()[0]
    assert rows > 6900
    missed = con.execute(
        "SELECT source FROM gold ANTI JOIN code_map ON source_concept_id = source AND target_concept_id = target"
    ).fetchall()
    standard = con.execute(
        f"SELECT concept_id FROM {vocabulary.relation('concept')} WHERE standard_concept = 'S'"
    ).fetchall()
    assert set(missed) <= set(standard)
    assert len(missed) < 10


def test_a_folder_of_mappings_alone_is_no_vocabulary(data_folder, con):
    with pytest.raises(OmopsqlError, match=r"has no file for concept;"):
        open_vocabulary(con, data_folder("pair/tutorial_synthea/vocabulary"))
