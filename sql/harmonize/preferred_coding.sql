-- The one coding to map of a FHIR CodeableConcept: its vocabulary_id, code and name. Of several codings SNOMED CT is
-- taken first, then LOINC, RxNorm and CVX, then the first of the others. A concept of text alone gives the text as its
-- code, of no vocabulary.
-- @param concept JSON
-- @returns STRUCT(vocabulary_id VARCHAR, code VARCHAR, name VARCHAR)
-- @example SELECT omopsql.preferred_coding('{"coding": [{"code": "A1"}, {"code": "B2"}]}').code --> A1
-- @example SELECT omopsql.preferred_coding('{"text": "Sodium"}').code --> Sodium
CREATE OR REPLACE MACRO omopsql.preferred_coding(concept) AS (
    CASE
        -- Nearly every concept has one coding, and lambdas are slow.
        WHEN json_array_length(CAST(concept AS JSON), '$.coding') = 1
            AND (CAST(concept AS JSON) ->> '$.coding[0].code') IS NOT NULL
            THEN {
                'vocabulary_id': omopsql.fhir_vocabulary(CAST(concept AS JSON) ->> '$.coding[0].system'),
                'code': CAST(concept AS JSON) ->> '$.coding[0].code',
                'name': coalesce(
                    CAST(concept AS JSON) ->> '$.coding[0].display', CAST(concept AS JSON) ->> '$.text')
            }
        WHEN len(json_extract_string(CAST(concept AS JSON), '$.coding[*].code')) > 0
            THEN struct_extract(list_min(list_transform(
                list_filter(
                    CAST(json_extract(CAST(concept AS JSON), '$.coding[*]') AS JSON[]),
                    lambda coding: (coding ->> '$.code') IS NOT NULL
                ),
                lambda coding, i: {
                    'preference': coalesce(list_position(
                        ['SNOMED', 'LOINC', 'RxNorm', 'CVX'], omopsql.fhir_vocabulary(coding ->> '$.system')), 5),
                    'position': i,
                    'coding': {
                        'vocabulary_id': omopsql.fhir_vocabulary(coding ->> '$.system'),
                        'code': coding ->> '$.code',
                        'name': coalesce(coding ->> '$.display', CAST(concept AS JSON) ->> '$.text')
                    }
                }
            )), 'coding')
        ELSE {
            'vocabulary_id': CAST(NULL AS VARCHAR),
            'code': CAST(concept AS JSON) ->> '$.text',
            'name': CAST(concept AS JSON) ->> '$.text'
        }
    END
);
