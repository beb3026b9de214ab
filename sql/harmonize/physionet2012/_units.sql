-- The kinds of intensive-care unit, as the challenge numbers them.
-- @reads set_a (parameter)
SELECT *
FROM (
    VALUES (1, 'Coronary Care Unit'), (2, 'Cardiac Surgery Recovery Unit'), (3, 'Medical ICU'), (4, 'Surgical ICU')
) AS kind (icu_type, name)
