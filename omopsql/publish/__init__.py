"""Releases of synthetic data: a data-space record, evidence bound to bytes, and a catalogue."""
