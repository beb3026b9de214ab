-- How the values of each measurement are distributed over the logarithm, under each unit: how many fall in each bin, 64
-- for a factor of e, and how they are rounded. The grain is what nearly all values about a bin are multiples of, the
-- heap the coarsest number of which clearly more than by chance are multiples: 10, 5, 2, 1, 0.5 and so on, 0 for none.
-- @reads measurement (measurement_concept_id, value_as_number, unit_concept_id?, unit_source_value?)
WITH placed AS (
    SELECT
        measurement_concept_id,
        nullif(unit_concept_id, 0) AS unit_concept_id,
        CASE WHEN coalesce(unit_concept_id, 0) = 0 THEN unit_source_value END AS unit_source_value,
        CAST(floor(64 * ln(value_as_number) + 1e-9) AS INTEGER) AS bin,
        -- A number of thousandths tells of which numbers a value is a multiple; NULL when it has further digits.
        CASE WHEN value_as_number = round(value_as_number, 3) THEN CAST(round(1000 * value_as_number) AS BIGINT) END
            AS thousandths
    FROM measurement
    WHERE measurement_concept_id <> 0 AND value_as_number BETWEEN 1e-9 AND 1e12
),
binned AS (
    SELECT
        measurement_concept_id,
        unit_concept_id,
        unit_source_value,
        bin,
        count(*) AS n,
        count(*) FILTER (WHERE thousandths % 10000 = 0) AS tens,
        count(*) FILTER (WHERE thousandths % 5000 = 0) AS fives,
        count(*) FILTER (WHERE thousandths % 2000 = 0) AS twos,
        count(*) FILTER (WHERE thousandths % 1000 = 0) AS ones,
        count(*) FILTER (WHERE thousandths % 500 = 0) AS halves,
        count(*) FILTER (WHERE thousandths % 200 = 0) AS fifths,
        count(*) FILTER (WHERE thousandths % 100 = 0) AS tenths,
        count(*) FILTER (WHERE thousandths % 10 = 0) AS hundredths,
        count(thousandths) AS thousandths
    FROM placed
    GROUP BY ALL
),
about AS (
    SELECT
        measurement_concept_id,
        unit_concept_id,
        unit_source_value,
        bin,
        n,
        1 / sqrt(sum(n) OVER nearby) AS chance,
        sum(tens) OVER nearby / sum(n) OVER nearby AS tens,
        sum(fives) OVER nearby / sum(n) OVER nearby AS fives,
        sum(twos) OVER nearby / sum(n) OVER nearby AS twos,
        sum(ones) OVER nearby / sum(n) OVER nearby AS ones,
        sum(halves) OVER nearby / sum(n) OVER nearby AS halves,
        sum(fifths) OVER nearby / sum(n) OVER nearby AS fifths,
        sum(tenths) OVER nearby / sum(n) OVER nearby AS tenths,
        sum(hundredths) OVER nearby / sum(n) OVER nearby AS hundredths,
        sum(thousandths) OVER nearby / sum(n) OVER nearby AS thousandths
    FROM binned
    WINDOW nearby AS (
        PARTITION BY measurement_concept_id, unit_concept_id, unit_source_value ORDER BY bin
        RANGE BETWEEN 32 PRECEDING AND 32 FOLLOWING
    )
)
SELECT
    CAST(dense_rank() OVER (ORDER BY measurement_concept_id, unit_concept_id, unit_source_value) - 1 AS BIGINT)
        AS series,
    CAST(measurement_concept_id AS BIGINT) AS measurement_concept_id,
    CAST(unit_concept_id AS BIGINT) AS unit_concept_id,
    unit_source_value,
    CAST(bin AS BIGINT) AS bin,
    n,
    CAST(CASE
        WHEN tens >= 0.9 THEN 10
        WHEN fives >= 0.9 THEN 5
        WHEN twos >= 0.9 THEN 2
        WHEN ones >= 0.9 THEN 1
        WHEN halves >= 0.9 THEN 0.5
        WHEN fifths >= 0.9 THEN 0.2
        WHEN tenths >= 0.9 THEN 0.1
        WHEN hundredths >= 0.9 THEN 0.01
        WHEN thousandths >= 0.9 THEN 0.001
        ELSE 0
    END AS DOUBLE) AS grain,
    -- By chance a tenth of all whole numbers are tens, a fifth are fives and a half are twos, give or take five
    -- standard errors.
    CAST(CASE
        WHEN tens >= 0.13 + 1.5 * chance THEN 10
        WHEN fives >= 0.23 + 2 * chance THEN 5
        WHEN twos >= 0.55 + 2.5 * chance THEN 2
        WHEN ones >= 0.13 + 1.5 * chance THEN 1
        WHEN halves >= 0.23 + 2 * chance THEN 0.5
        WHEN fifths >= 0.55 + 2.5 * chance THEN 0.2
        WHEN tenths >= 0.13 + 1.5 * chance THEN 0.1
        WHEN hundredths >= 0.13 + 1.5 * chance THEN 0.01
        WHEN thousandths >= 0.13 + 1.5 * chance THEN 0.001
        ELSE 0
    END AS DOUBLE) AS heap
FROM about
ORDER BY series, bin
