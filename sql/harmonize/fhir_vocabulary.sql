-- The OMOP vocabulary of a FHIR coding system: its vocabulary_id. Addresses and OIDs are read, with http or https, with
-- a trailing slash or without, and with a version of SNOMED CT behind. A system that OMOP does not have, such as a
-- hospital's own, stays as it is written: a source_to_concept_map may use it as its source_vocabulary_id.
-- @param system VARCHAR
-- @returns VARCHAR
-- @example SELECT omopsql.fhir_vocabulary('http://hl7.org/fhir/sid/icd-10-cm') --> ICD10CM
-- @example SELECT omopsql.fhir_vocabulary('urn:oid:2.16.840.1.113883.6.88') --> RxNorm
-- @example SELECT omopsql.fhir_vocabulary('https://hospital.example/codes') --> https://hospital.example/codes
CREATE OR REPLACE MACRO omopsql.fhir_vocabulary(system) AS (
    CASE regexp_replace(regexp_replace(regexp_replace(lower(system), '^https:', 'http:'), '/$', ''),
                        '^(http://snomed\.info/sct)/.*$', '\1')
        WHEN 'http://snomed.info/sct' THEN 'SNOMED'
        WHEN 'urn:oid:2.16.840.1.113883.6.96' THEN 'SNOMED'
        WHEN 'http://loinc.org' THEN 'LOINC'
        WHEN 'urn:oid:2.16.840.1.113883.6.1' THEN 'LOINC'
        WHEN 'http://www.nlm.nih.gov/research/umls/rxnorm' THEN 'RxNorm'
        WHEN 'urn:oid:2.16.840.1.113883.6.88' THEN 'RxNorm'
        WHEN 'http://hl7.org/fhir/sid/cvx' THEN 'CVX'
        WHEN 'urn:oid:2.16.840.1.113883.12.292' THEN 'CVX'
        WHEN 'http://hl7.org/fhir/sid/ndc' THEN 'NDC'
        WHEN 'urn:oid:2.16.840.1.113883.6.69' THEN 'NDC'
        WHEN 'http://www.whocc.no/atc' THEN 'ATC'
        WHEN 'urn:oid:2.16.840.1.113883.6.73' THEN 'ATC'
        WHEN 'http://dmd.nhs.uk' THEN 'dm+d'
        WHEN 'http://hl7.org/fhir/sid/icd-10-cm' THEN 'ICD10CM'
        WHEN 'urn:oid:2.16.840.1.113883.6.90' THEN 'ICD10CM'
        WHEN 'http://hl7.org/fhir/sid/icd-10' THEN 'ICD10'
        WHEN 'urn:oid:2.16.840.1.113883.6.3' THEN 'ICD10'
        WHEN 'http://fhir.de/codesystem/bfarm/icd-10-gm' THEN 'ICD10GM'
        WHEN 'http://fhir.de/codesystem/dimdi/icd-10-gm' THEN 'ICD10GM'
        WHEN 'http://hl7.org/fhir/sid/icd-9-cm' THEN 'ICD9CM'
        WHEN 'http://hl7.org/fhir/sid/icd-9-cm/diagnosis' THEN 'ICD9CM'
        WHEN 'urn:oid:2.16.840.1.113883.6.103' THEN 'ICD9CM'
        WHEN 'http://hl7.org/fhir/sid/icd-9-cm/procedure' THEN 'ICD9Proc'
        WHEN 'urn:oid:2.16.840.1.113883.6.104' THEN 'ICD9Proc'
        WHEN 'http://www.cms.gov/medicare/coding/icd10' THEN 'ICD10PCS'
        WHEN 'urn:oid:2.16.840.1.113883.6.4' THEN 'ICD10PCS'
        WHEN 'http://fhir.de/codesystem/bfarm/ops' THEN 'OPS'
        WHEN 'http://fhir.de/codesystem/dimdi/ops' THEN 'OPS'
        WHEN 'http://www.ama-assn.org/go/cpt' THEN 'CPT4'
        WHEN 'urn:oid:2.16.840.1.113883.6.12' THEN 'CPT4'
        WHEN 'http://www.cms.gov/medicare/coding/hcpcsreleasecodesets' THEN 'HCPCS'
        WHEN 'urn:oid:2.16.840.1.113883.6.285' THEN 'HCPCS'
        WHEN 'http://terminology.hl7.org/codesystem/icd-o-3' THEN 'ICDO3'
        WHEN 'urn:oid:2.16.840.1.113883.6.43.1' THEN 'ICDO3'
        WHEN 'http://unitsofmeasure.org' THEN 'UCUM'
        WHEN 'urn:oid:2.16.840.1.113883.6.8' THEN 'UCUM'
        WHEN 'http://nucc.org/provider-taxonomy' THEN 'NUCC'
        WHEN 'urn:oid:2.16.840.1.113883.6.101' THEN 'NUCC'
        ELSE system
    END
);
