-- Addresses of patients and organizations.
-- @reads _addresses
FROM _addresses
