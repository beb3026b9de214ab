"""What OHDSI's checks do not ask: drift, duplicates, mixed units, unmapped values, code systems, and a label."""
