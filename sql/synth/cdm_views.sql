-- The SQL that makes a virtual hospital: a schema with a view over cdm_sample for each table that the model makes.
-- Nothing is stored; a view makes its rows when it is read. Run the text that comes back, with DuckDB's command line or
-- Python's con.execute(sql). The model's table, or its file, must stay where it is.
-- @param model VARCHAR
-- @param schema VARCHAR
-- @param persons BIGINT
-- @param seed BIGINT
-- @returns VARCHAR
-- @example SELECT contains(omopsql.cdm_views('hospital_model', 'synthetic', persons := 10), 'drug_exposure') --> True
CREATE OR REPLACE MACRO omopsql.cdm_views(model, schema, persons := 1000, seed := 0) AS
    format('CREATE SCHEMA IF NOT EXISTS "{}";', replace(schema, '"', '""')) || chr(10) || (
        SELECT
            string_agg(
                format(
                    'CREATE OR REPLACE VIEW "{}".{} AS FROM omopsql.cdm_sample(''{}'', ''{}'', persons := {}, seed := {});',
                    replace(schema, '"', '""'),
                    cdm_table,
                    replace(model, '''', ''''''),
                    cdm_table,
                    CAST(persons AS BIGINT),
                    CAST(seed AS BIGINT)
                ),
                chr(10)
            )
        FROM omopsql.cdm_tables(model)
    );
