-- How many rows a table has and how many NULLs each column, from the statistics of its Parquet files: no row is read.
-- A column without statistics, or one of lists or structs, has no number of NULLs.
-- @reads chunk (file_name, row_group_id, row_group_num_rows, path_in_schema, stats_null_count): as parquet_metadata has
WITH named AS (
    SELECT
        *,
        split_part(path_in_schema, ', ', 1) AS column_name
    FROM chunk
),
counted AS (
    SELECT
        column_name,
        count(*) = count(stats_null_count) AND bool_and(path_in_schema = column_name) AS is_known,
        sum(stats_null_count) AS number_of_nulls
    FROM named
    GROUP BY column_name
)
SELECT column_name, CAST(CASE WHEN is_known THEN number_of_nulls END AS BIGINT) AS number_of_nulls
FROM counted
ORDER BY column_name
