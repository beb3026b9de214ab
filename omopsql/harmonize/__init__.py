"""From a hospital's sources to the OMOP CDM."""
