"""Reports of a checked CDM: its summary, the JSON that OHDSI's viewers read, and a page for a data steward."""
