-- The modes on both sides of each valley: their records, persons and medians, and the two units that would make the one
-- of the other. Units are suspected only of modes of the same spread, whose medians lie within a fifth of a conversion.
-- @reads valley (measurement_concept_id, unit_concept_id, unit_source_value, lowest, valley, highest, evidence,
--     p_value)
-- @reads measurement (person_id, measurement_concept_id, value_as_number, unit_concept_id?, unit_source_value?)
-- @reads concept? (concept_id, concept_name?, concept_code?)
-- @reads conversion (analyte, lower_unit, upper_unit, molar_mass, slope, intercept)
-- @reads settings (min_cell)
WITH mode AS (
    SELECT
        valley.measurement_concept_id,
        valley.unit_concept_id,
        valley.unit_source_value,
        valley.valley,
        any_value(valley.evidence) AS evidence,
        any_value(valley.p_value) AS p_value,
        count(*) FILTER (WHERE value_as_number < valley) AS lower_records,
        count(*) FILTER (WHERE value_as_number >= valley) AS upper_records,
        count(DISTINCT person_id) FILTER (WHERE value_as_number < valley) AS lower_persons,
        count(DISTINCT person_id) FILTER (WHERE value_as_number >= valley) AS upper_persons,
        quantile_cont(value_as_number, [0.25, 0.5, 0.75]) FILTER (WHERE value_as_number < valley) AS lower_quartiles,
        quantile_cont(value_as_number, [0.25, 0.5, 0.75]) FILTER (WHERE value_as_number >= valley) AS upper_quartiles
    FROM valley
    JOIN measurement
        ON valley.measurement_concept_id = measurement.measurement_concept_id
        AND valley.unit_concept_id IS NOT DISTINCT FROM nullif(measurement.unit_concept_id, 0)
        AND valley.unit_source_value IS NOT DISTINCT FROM
            CASE WHEN coalesce(measurement.unit_concept_id, 0) = 0 THEN measurement.unit_source_value END
        AND measurement.value_as_number >= valley.lowest AND measurement.value_as_number < valley.highest
    WHERE value_as_number BETWEEN 1e-9 AND 1e12
    GROUP BY ALL
),
two_modes AS (
    SELECT
        row_number() OVER () AS place,
        mode.*,
        measured.concept_name,
        coalesce(unit.concept_code, mode.unit_source_value) AS unit,
        omopsql.ucum(coalesce(unit.concept_code, mode.unit_source_value)) AS ucum,
        lower_quartiles[2] AS lower_median,
        upper_quartiles[2] AS upper_median,
        ln(lower_quartiles[3] / lower_quartiles[1]) AS lower_spread,
        ln(upper_quartiles[3] / upper_quartiles[1]) AS upper_spread
    FROM settings, mode
    LEFT JOIN concept AS measured ON mode.measurement_concept_id = measured.concept_id
    LEFT JOIN concept AS unit ON mode.unit_concept_id = unit.concept_id
    WHERE least(lower_persons, upper_persons) >= min_cell
),
converted AS (
    SELECT
        *,
        coalesce(
            slope * lower_median + intercept,
            omopsql.convert_unit(lower_median, lower_unit, upper_unit),
            omopsql.convert_molar(lower_median, lower_unit, upper_unit, molar_mass)
        ) AS expected
    FROM two_modes
    JOIN conversion
        ON (analyte <> '' AND regexp_matches(concept_name, analyte, 'i'))
        OR ((analyte = '' OR concept_name IS NULL) AND ucum IN (lower_unit, upper_unit))
    WHERE greatest(lower_spread, upper_spread) <= 4 * least(lower_spread, upper_spread) + 0.05
),
suspected AS (
    SELECT place, lower_unit, upper_unit, expected
    FROM converted
    WHERE abs(ln(upper_median / expected)) <= 0.2
    -- A conversion of the unit that is recorded comes first, then one of the analyte, then the nearest.
    QUALIFY row_number() OVER (
        PARTITION BY place
        ORDER BY
            ucum IS NOT NULL AND ucum IN (lower_unit, upper_unit) DESC,
            analyte = '',
            abs(ln(upper_median / expected))
    ) = 1
),
power AS (
    SELECT place, round(10.0 ** round(log10(upper_median / lower_median))) AS factor
    FROM two_modes
    WHERE abs(ln(upper_median / lower_median) - ln(10) * round(log10(upper_median / lower_median))) <= 0.2
        AND upper_median > 5 * lower_median
        AND greatest(lower_spread, upper_spread) <= 4 * least(lower_spread, upper_spread) + 0.05
)
SELECT
    measurement_concept_id,
    concept_name,
    unit,
    lower_records + upper_records AS records,
    lower_records / (lower_records + upper_records) AS lower_share,
    upper_records / (lower_records + upper_records) AS upper_share,
    lower_persons,
    upper_persons,
    lower_median,
    upper_median,
    upper_median / lower_median AS ratio,
    coalesce(expected / lower_median, factor) AS factor,
    lower_unit,
    upper_unit,
    evidence,
    p_value
FROM two_modes
LEFT JOIN suspected USING (place)
LEFT JOIN power USING (place)
ORDER BY expected IS NULL AND factor IS NULL, evidence DESC, measurement_concept_id
