-- The postcodes of patients, each once.
-- @reads patients (postcode?)
SELECT DISTINCT postcode FROM patients WHERE postcode IS NOT NULL
