"""Numba kernels: scalar functions without state, one topic a file."""
