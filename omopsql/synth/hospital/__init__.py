"""A whole synthetic hospital: a CDM becomes counts of persons, and those become persons again, longitudinal, valid."""
