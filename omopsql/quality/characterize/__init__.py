"""Characterization: the counts and distributions of OHDSI Achilles, of any CDM."""
