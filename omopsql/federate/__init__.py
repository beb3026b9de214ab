"""Hospitals that fit one model without showing each other, or anybody, their numbers."""
