-- What Parquet files say of themselves: that they are synthetic, and by which model, seed and version. One row for each
-- file and mark; a file without marks has none. files is a file or a glob. Each file that omopsql synthesize writes is
-- marked so, as Article 50(2) of the AI Act asks for, and any reader of Parquet finds the marks in its metadata.
-- @param files VARCHAR
-- @example SELECT value FROM omopsql.synthetic_marks('omopsql_demo/synthetic/cdm/person.parquet') WHERE mark = 'synthetic' --> true
-- @example SELECT count(DISTINCT value) FROM omopsql.synthetic_marks('omopsql_demo/synthetic/cdm/*.parquet') WHERE mark = 'model_sha256' --> 1
CREATE OR REPLACE MACRO omopsql.synthetic_marks(files) AS TABLE
SELECT
    file_name,
    substr(decode(key), 9) AS mark,
    decode(value) AS value
FROM parquet_kv_metadata(files)
WHERE starts_with(decode(key), 'omopsql.')
ORDER BY file_name, mark;
