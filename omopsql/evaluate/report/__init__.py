"""The report of an evaluation: one page for a steward, a researcher and a regulator."""
