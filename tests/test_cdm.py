"""The CDM as data: versions, tables, fields and roles, the table that lists them, and the statements that make them."""

import duckdb
import pytest

from omopsql import OmopsqlError
from omopsql.harmonize import cdm


def test_versions_have_their_tables():
    assert len(cdm.tables("5.3")) == 38
    assert len(cdm.tables("5.4")) == 41
    assert set(cdm.tables("5.4")) - set(cdm.tables("5.3")) == {"episode", "episode_event", *cdm.IMAGING_TABLES}
    assert set(cdm.VOCABULARY_TABLES) <= set(cdm.tables("5.3"))
    assert set(cdm.RESULTS_TABLES) <= set(cdm.tables("5.3"))


def test_an_unknown_version_or_table_is_named():
    with pytest.raises(OmopsqlError, match=r"version '6\.0' is unknown; known are 5\.3, 5\.4"):
        cdm.tables("6.0")
    with pytest.raises(OmopsqlError, match=r"CDM 5\.3 has no table 'episode'"):
        cdm.table("5.3", "episode")


def test_fields_tell_their_type_and_what_they_refer_to():
    person = cdm.table("5.4", "person")
    assert next(iter(person)) == "person_id"
    assert person["person_id"].is_primary_key
    gender = person["gender_concept_id"]
    assert (gender.type, gender.foreign_table, gender.foreign_field) == ("INTEGER", "concept", "concept_id")
    assert (gender.is_required, gender.domain, gender.is_concept) == (True, "Gender", True)
    assert person["person_source_value"].type == "VARCHAR(50)"
    assert cdm.storage_type(person["person_source_value"]) == "VARCHAR"
    assert cdm.storage_type(person["birth_datetime"]) == "TIMESTAMP"
    assert cdm.table("5.4", "fact_relationship")["fact_id_1"].type == "BIGINT"
    assert cdm.table("5.4", "measurement")["value_as_number"].type == "DOUBLE"


@pytest.mark.parametrize("version", cdm.VERSIONS)
def test_positions_keys_and_references_are_sound(version: str):
    known = cdm.tables(version)
    for name, fields in known.items():
        assert [field.position for field in fields.values()] == list(range(1, len(fields) + 1)), name
        assert sum(field.is_primary_key for field in fields.values()) <= 1, name
        for field in fields.values():
            assert field.table == name
            assert field.foreign_table is None or field.foreign_field in known[field.foreign_table], field
            assert field.type.startswith("VARCHAR") or field.type in (
                "BIGINT", "INTEGER", "DOUBLE", "DATE", "TIMESTAMP"
            ), field  # fmt: skip
            if field.is_concept:
                assert field.type == "INTEGER", field


@pytest.mark.parametrize("version", cdm.VERSIONS)
def test_roles_name_fields_of_the_version(version: str):
    for name, roles in cdm.roles(version).items():
        fields = cdm.table(version, name)
        named = {role: value for role, value in vars(roles).items() if role.endswith("_field") and value}
        assert set(named.values()) <= set(fields)
        assert fields[roles.start_date_field].type == "DATE"
        assert fields[roles.concept_field].is_concept
        if roles.domain and roles.domain not in ("Observation", "Specimen"):
            assert fields[roles.concept_field].domain == roles.domain


def test_roles_differ_between_versions():
    assert cdm.roles("5.3")["procedure_occurrence"].end_date_field is None
    assert cdm.roles("5.4")["procedure_occurrence"].end_date_field == "procedure_end_date"
    assert "episode" not in cdm.roles("5.3")


def test_a_domain_leads_to_one_table():
    tables = cdm.table_of_domain("5.4")
    assert tables["Condition"] == "condition_occurrence"
    assert tables["Visit"] == "visit_occurrence"
    assert None not in tables


def test_cdm_fields_lists_every_field(con: duckdb.DuckDBPyConnection):
    cdm.list_fields(con)
    listed = con.execute("SELECT cdm_version, count(*) FROM omopsql.cdm_fields GROUP BY ALL ORDER BY ALL").fetchall()
    assert listed == [(v, sum(map(len, cdm.tables(v).values()))) for v in cdm.VERSIONS]
    assert con.execute(
        "SELECT position, type, is_required, foreign_table, domain FROM omopsql.cdm_fields "
        "WHERE cdm_version = '5.4' AND cdm_table = 'person' AND cdm_field = 'gender_concept_id'"
    ).fetchall() == [(2, "INTEGER", True, "concept", "Gender")]


@pytest.mark.parametrize("version", cdm.VERSIONS)
def test_create_cdm_makes_every_table(con: duckdb.DuckDBPyConnection, version: str):
    con.execute("CREATE SCHEMA hospital")
    statements = con.execute("SELECT ddl FROM omopsql.create_cdm(?, schema := 'hospital')", [version]).fetchall()
    for (ddl,) in statements:
        con.execute(ddl)
    for name, fields in cdm.tables(version).items():
        made = con.execute(
            "SELECT column_name, is_nullable, comment FROM duckdb_columns() "
            "WHERE schema_name = 'hospital' AND table_name = ? ORDER BY column_index",
            [name],
        ).fetchall()
        assert [column for column, _, _ in made] == list(fields)
        for column, is_nullable, comment in made:
            field = fields[column]
            assert is_nullable == (not field.is_required), field
            assert (comment is not None) == (field.foreign_table is not None), field
    keys = con.execute(
        "SELECT table_name, constraint_column_names FROM duckdb_constraints() "
        "WHERE schema_name = 'hospital' AND constraint_type = 'PRIMARY KEY'"
    ).fetchall()
    assert ("person", ["person_id"]) in keys


def test_a_required_field_is_required(con: duckdb.DuckDBPyConnection):
    con.execute(cdm.create_table_sql("5.4", "observation_period"))
    with pytest.raises(duckdb.ConstraintException, match="NOT NULL"):
        con.execute("INSERT INTO observation_period (observation_period_id, person_id) VALUES (1, 1)")
    con.execute("INSERT INTO observation_period VALUES (1, 1, DATE '2020-01-01', DATE '2021-01-01', 32817)")
    with pytest.raises(duckdb.ConstraintException):
        con.execute("INSERT INTO observation_period VALUES (1, 2, DATE '2020-01-01', DATE '2021-01-01', 32817)")


def test_create_cdm_refuses_an_unknown_version(con: duckdb.DuckDBPyConnection):
    with pytest.raises(duckdb.Error, match=r"CDM version '5\.9' is unknown"):
        con.execute("FROM omopsql.create_cdm('5.9')")


def test_fields_agree_with_the_specification_that_checks_use(data_folder, con: duckdb.DuckDBPyConnection):
    """Names, required fields, keys and domains as OHDSI's data quality checks hold them."""
    folder = data_folder("dqd/thresholds")
    for version in cdm.VERSIONS:
        file = folder / f"OMOP_CDMv{version}_Field_Level.csv"
        rows = con.execute(
            "SELECT lower(cdmTableName), lower(cdmFieldName), isRequired = 'Yes', isPrimaryKey = 'Yes', "
            f"lower(fkTableName), fkDomain FROM read_csv('{file}', all_varchar=true)"
        ).fetchall()
        assert len(rows) > 300
        for table, name, is_required, is_key, foreign, domain in rows:
            field = cdm.table(version, table)[name]
            assert (field.is_required, field.is_primary_key, field.domain) == (is_required, is_key, domain), field
            assert foreign is None or field.foreign_table == foreign or table == "cohort_definition", field


@pytest.mark.parametrize(("version", "name"), [("5.3", "cdm/gibleed_5.3"), ("5.4", "cdm/synthea27nj_5.4")])
def test_columns_stand_in_the_order_of_published_cdms(data_folder, con, version: str, name: str):
    files = sorted(data_folder(name).glob("*.parquet"))
    assert len(files) > 30
    for file in files:
        columns = [row[0].lower() for row in con.execute(f"DESCRIBE FROM '{file}'").fetchall()]
        assert columns == list(cdm.table(version, file.stem))
