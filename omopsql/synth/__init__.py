"""Synthesis: tables and whole CDMs from sums of integers."""
