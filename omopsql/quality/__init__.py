"""Quality: what OHDSI's checks, and more, say of a CDM."""
