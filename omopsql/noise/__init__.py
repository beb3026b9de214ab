"""Differential privacy of persons: what leaves a table passes through noise, and a ledger says how much was spent."""
