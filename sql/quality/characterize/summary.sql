-- A tally becomes Achilles' results. A tally says how many (n) there are of each value in each stratum of a shape;
-- shapes
-- that only count have no value. Percentiles are the least value that so many reach.
-- @reads tally (shape, strata, value, n)
-- @reads analysis (analysis_id, analysis_name, shape)
-- @reads settings (min_cell)
WITH placed AS MATERIALIZED (
    SELECT
        analysis_id,
        strata[1] AS stratum_1,
        strata[2] AS stratum_2,
        strata[3] AS stratum_3,
        strata[4] AS stratum_4,
        strata[5] AS stratum_5,
        CAST(value AS DOUBLE) AS value,
        CAST(n AS BIGINT) AS n
    FROM tally
    JOIN analysis USING (shape)
),
ranked AS (
    SELECT
        *,
        sum(n) OVER stratum AS total,
        sum(n * value) OVER stratum / sum(n) OVER stratum AS mean,
        sum(n) OVER (stratum ORDER BY value) AS reached
    FROM placed
    WHERE value IS NOT NULL
    WINDOW stratum AS (PARTITION BY analysis_id, stratum_1, stratum_2, stratum_3, stratum_4, stratum_5)
),
distribution AS (
    SELECT
        analysis_id,
        stratum_1,
        stratum_2,
        stratum_3,
        stratum_4,
        stratum_5,
        CAST(any_value(total) AS BIGINT) AS count_value,
        min(value) AS min_value,
        max(value) AS max_value,
        any_value(mean) AS avg_value,
        sqrt(sum(n * (value - mean) * (value - mean)) / nullif(any_value(total) - 1, 0)) AS stdev_value,
        min(value) FILTER (WHERE 2 * reached >= total) AS median_value,
        min(value) FILTER (WHERE 10 * reached >= total) AS p10_value,
        min(value) FILTER (WHERE 4 * reached >= total) AS p25_value,
        min(value) FILTER (WHERE 4 * reached >= 3 * total) AS p75_value,
        min(value) FILTER (WHERE 10 * reached >= 9 * total) AS p90_value
    FROM ranked
    GROUP BY analysis_id, stratum_1, stratum_2, stratum_3, stratum_4, stratum_5
),
result AS (
    SELECT analysis_id, stratum_1, stratum_2, stratum_3, stratum_4, stratum_5, n AS count_value
    FROM placed
    WHERE value IS NULL
    UNION ALL BY NAME
    FROM distribution
)
SELECT
    analysis_id,
    analysis_name,
    CAST(stratum_1 AS VARCHAR) AS stratum_1,
    CAST(stratum_2 AS VARCHAR) AS stratum_2,
    CAST(stratum_3 AS VARCHAR) AS stratum_3,
    CAST(stratum_4 AS VARCHAR) AS stratum_4,
    CAST(stratum_5 AS VARCHAR) AS stratum_5,
    count_value,
    min_value,
    max_value,
    avg_value,
    stdev_value,
    median_value,
    p10_value,
    p25_value,
    p75_value,
    p90_value
FROM result
JOIN analysis USING (analysis_id), settings
WHERE count_value >= greatest(min_cell, 1)
ORDER BY analysis_id, result.stratum_1, result.stratum_2, result.stratum_3, result.stratum_4, result.stratum_5
