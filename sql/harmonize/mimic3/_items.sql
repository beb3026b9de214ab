-- Items of the charts with the LOINC code of what they measure, where it is among the frequent ones. CareVue (until
-- 2008) has the numbers below 220000, MetaVision those above; values that a laboratory made are charted once more here.
-- @reads d_items? (itemid, label)
WITH measured (loinc_code, items) AS (
    VALUES
    -- vital signs
    ('8867-4', [211, 220045]),                          -- heart rate
    ('9279-1', [618, 615, 220210, 224690]),             -- respiratory rate
    ('59408-5', [646, 220277]),                         -- oxygen saturation by pulse oximetry
    ('8480-6', [51, 455, 220050, 220179, 225309]),      -- systolic blood pressure
    ('8462-4', [8368, 8441, 220051, 220180, 225310]),   -- diastolic blood pressure
    ('8478-0', [52, 456, 220052, 220181, 225312]),      -- mean blood pressure
    ('60985-9', [113, 220074]),                         -- central venous pressure
    ('8310-5', [676, 677, 678, 679, 223761, 223762]),   -- body temperature
    ('29463-7', [581, 762, 763, 224639, 226512]),       -- body weight
    ('8302-2', [920, 226707, 226730]),                  -- body height
    ('9187-6', [                                        -- urine output
        40055, 40056, 40057, 40069, 40085, 40094, 40096, 40405, 40428, 40473, 40651, 40715, 43175,
        226557, 226558, 226559, 226560, 226561, 226563, 226564, 226565, 226567, 226584, 226627, 226631
    ]),
    -- scores
    ('9267-6', [184, 220739]),                          -- Glasgow coma score, eye opening
    ('9270-0', [723, 223900]),                          -- Glasgow coma score, verbal
    ('9268-4', [454, 223901]),                          -- Glasgow coma score, motor
    ('9269-2', [198]),                                  -- Glasgow coma score, total
    ('72514-3', [223791]),                              -- pain, 0 to 10
    -- ventilator
    ('19994-3', [190, 223835]),                         -- fraction of oxygen
    ('20077-4', [506, 220339]),                         -- PEEP
    ('20112-9', [683, 224684]),                         -- tidal volume
    -- blood gases
    ('2708-6', [834, 220227]),                          -- oxygen saturation in arterial blood
    ('2703-7', [779, 220224]),                          -- oxygen pressure in arterial blood
    ('2019-8', [778, 220235]),                          -- carbon dioxide pressure in arterial blood
    ('2744-1', [780, 1126, 223830]),                    -- pH of arterial blood
    ('32693-4', [818, 1531, 225668]),                   -- lactate
    -- blood chemistry
    ('2951-2', [837, 1536, 220645]),                    -- sodium
    ('2823-3', [829, 1535, 227442]),                    -- potassium
    ('2075-0', [788, 1523, 220602]),                    -- chloride
    ('1963-8', [227443]),                               -- bicarbonate
    ('3094-0', [781, 1162, 225624]),                    -- urea nitrogen
    ('2160-0', [791, 1525, 220615]),                    -- creatinine
    ('2345-7', [1529, 220621]),                         -- glucose in serum
    ('2339-0', [807, 811, 225664]),                     -- glucose in blood
    ('17861-6', [786, 1522, 225625]),                   -- calcium
    ('19123-9', [821, 1532, 220635]),                   -- magnesium
    ('2777-1', [827, 1534, 225677]),                    -- phosphate
    -- blood count and clotting
    ('20570-8', [813, 220545]),                         -- hematocrit
    ('718-7', [814, 220228]),                           -- hemoglobin
    ('26515-7', [828, 227457]),                         -- platelets
    ('26464-8', [861, 1127, 1542, 220546]),             -- leukocytes
    ('6301-6', [815, 1530, 227467]),                    -- INR
    ('5902-2', [824, 1286, 227465]),                    -- prothrombin time
    ('3173-2', [825, 1533, 227466])                     -- partial thromboplastin time
),
measured_item AS (SELECT loinc_code, unnest(items) AS item FROM measured)
SELECT
    d_items.itemid,
    d_items.label,
    loinc_code,
    CASE WHEN loinc_code IS NULL THEN 'MIMIC-III item' ELSE 'LOINC' END AS vocabulary_id,
    coalesce(loinc_code, CAST(d_items.itemid AS VARCHAR)) AS code
FROM d_items
LEFT JOIN measured_item ON TRY_CAST(d_items.itemid AS INTEGER) = item
