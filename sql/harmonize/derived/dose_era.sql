-- Spans of time in which a person takes the same daily dose of an ingredient: exposures of one dose, joined where the
-- next one starts at most 30 days after the end of all before it. The daily dose is the strength times the quantity
-- over the days of supply, or over the days of the exposure where none are told; where the strength is one per hour, 24
-- times the strength. Exposures without a quantity or a strength make no era.
-- @reads drug_exposure (person_id, drug_concept_id, drug_exposure_start_date, drug_exposure_end_date, quantity, days_supply)
-- @reads drug_strength? (drug_concept_id, ingredient_concept_id, amount_value, amount_unit_concept_id, numerator_value, numerator_unit_concept_id, denominator_value, denominator_unit_concept_id, invalid_reason)
WITH settings (gap) AS (VALUES (30)),
strength AS (
    SELECT
        drug_concept_id,
        ingredient_concept_id,
        coalesce(amount_value, numerator_value / coalesce(denominator_value, 1)) AS strength,
        coalesce(amount_unit_concept_id, numerator_unit_concept_id) AS unit_concept_id,
        coalesce(denominator_unit_concept_id = 8505, false) AS is_hourly  -- 8505: hour
    FROM drug_strength
    WHERE invalid_reason IS NULL AND coalesce(amount_unit_concept_id, numerator_unit_concept_id) IS NOT NULL
),
exposure AS (
    SELECT
        person_id,
        drug_concept_id,
        quantity,
        days_supply,
        drug_exposure_start_date AS start_date,
        greatest(
            coalesce(
                drug_exposure_end_date,
                drug_exposure_start_date + CAST(nullif(days_supply, 0) AS INTEGER),
                drug_exposure_start_date + 1
            ),
            drug_exposure_start_date
        ) AS end_date
    FROM drug_exposure
),
dose AS (
    SELECT
        person_id,
        ingredient_concept_id,
        unit_concept_id,
        CASE
            WHEN is_hourly THEN 24 * strength
            WHEN days_supply > 0 THEN strength * quantity / days_supply
            ELSE strength * quantity / (end_date - start_date + 1)
        END AS dose_value,
        start_date,
        end_date
    FROM exposure
    JOIN strength USING (drug_concept_id)
),
opening AS (
    SELECT
        dose.*,
        start_date > gap + max(end_date) OVER (
            PARTITION BY person_id, ingredient_concept_id, unit_concept_id, dose_value ORDER BY start_date, end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS opens_era
    FROM dose, settings
    WHERE dose_value > 0
),
member AS (
    SELECT
        *,
        count(*) FILTER (WHERE opens_era) OVER (
            PARTITION BY person_id, ingredient_concept_id, unit_concept_id, dose_value ORDER BY start_date, end_date
            ROWS UNBOUNDED PRECEDING
        ) AS era
    FROM opening
),
era AS (
    SELECT
        person_id,
        ingredient_concept_id AS drug_concept_id,
        unit_concept_id,
        dose_value,
        min(start_date) AS dose_era_start_date,
        max(end_date) AS dose_era_end_date
    FROM member
    GROUP BY person_id, ingredient_concept_id, unit_concept_id, dose_value, era
)
SELECT
    row_number() OVER (
        ORDER BY person_id, drug_concept_id, dose_era_start_date, unit_concept_id, dose_value
    ) AS dose_era_id,
    *
FROM era
ORDER BY dose_era_id
