-- Spans of time in which a person is taken to be exposed to an ingredient: exposures to drugs that contain it, joined
-- where the next one starts at most 30 days after the end of all before it. An exposure without an end lasts for its
-- days of supply, else until the next day. gap_days are the days of the era that no exposure covers.
-- Ingredients are those of RxNorm that concept_ancestor gives. A vocabulary cut down to some concepts often lacks part
-- of concept_ancestor; then they are read from RxNorm's normalized names: ingredient, strength, form.
-- @reads drug_exposure (person_id, drug_concept_id, drug_exposure_start_date, drug_exposure_end_date, days_supply)
-- @reads concept (concept_id, concept_name, vocabulary_id, concept_class_id)
-- @reads concept_ancestor (ancestor_concept_id, descendant_concept_id)
WITH settings (gap) AS (VALUES (30)),
ingredient AS (
    SELECT concept_id AS ingredient_concept_id, concept_name
    FROM concept
    WHERE vocabulary_id = 'RxNorm' AND concept_class_id = 'Ingredient'
),
drug AS (
    SELECT DISTINCT drug_concept_id FROM drug_exposure WHERE drug_concept_id <> 0
),
drug_ingredient AS (
    SELECT DISTINCT drug_concept_id, ingredient_concept_id
    FROM drug
    JOIN concept_ancestor ON descendant_concept_id = drug_concept_id
    JOIN ingredient ON ancestor_concept_id = ingredient_concept_id
),
named_part AS (  -- '24 HR amlodipine 5 MG / valsartan 160 MG Oral Tablet' has two
    SELECT drug_concept_id, ' ' || unnest(string_split(translate(lower(concept_name), ',()', ''), ' / ')) || ' ' AS part
    FROM drug
    ANTI JOIN drug_ingredient USING (drug_concept_id)
    JOIN concept ON concept_id = drug_concept_id
    WHERE vocabulary_id = 'RxNorm'
),
ingredient_word AS (
    SELECT ingredient_concept_id, ' ' || translate(lower(concept_name), ',()', '') || ' ' AS words FROM ingredient
),
named_ingredient AS (  -- the first in the part, and of those the longest: insulin lispro rather than insulin
    SELECT DISTINCT
        drug_concept_id,
        arg_min(ingredient_concept_id, (strpos(part, words), -length(words))) AS ingredient_concept_id
    FROM named_part
    JOIN ingredient_word ON contains(part, words)
    GROUP BY drug_concept_id, part
),
exposure AS (
    SELECT
        person_id,
        ingredient_concept_id,
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
    JOIN (FROM drug_ingredient UNION ALL FROM named_ingredient) USING (drug_concept_id)
),
overlapping AS (
    SELECT
        *,
        max(end_date) OVER (
            PARTITION BY person_id, ingredient_concept_id ORDER BY start_date, end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS covered_until
    FROM exposure
),
opening AS (
    SELECT
        overlapping.*,
        start_date > covered_until + gap AS opens_era,
        CASE
            WHEN start_date <= covered_until THEN greatest(end_date - covered_until, 0)
            ELSE end_date - start_date
        END AS days_added
    FROM overlapping, settings
),
member AS (
    SELECT
        *,
        count(*) FILTER (WHERE opens_era) OVER (
            PARTITION BY person_id, ingredient_concept_id ORDER BY start_date, end_date ROWS UNBOUNDED PRECEDING
        ) AS era
    FROM opening
),
era AS (
    SELECT
        person_id,
        ingredient_concept_id AS drug_concept_id,
        min(start_date) AS drug_era_start_date,
        max(end_date) AS drug_era_end_date,
        CAST(count(*) AS INTEGER) AS drug_exposure_count,
        CAST(max(end_date) - min(start_date) - sum(days_added) AS INTEGER) AS gap_days
    FROM member
    GROUP BY person_id, ingredient_concept_id, era
)
SELECT row_number() OVER (ORDER BY person_id, drug_concept_id, drug_era_start_date) AS drug_era_id, *
FROM era
ORDER BY drug_era_id
