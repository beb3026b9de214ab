"""Governance as data: what may be learned, and what a release must pass, read from a file of YAML and enforced."""

from .read import read_policy
from .rules import Policy

__all__ = ["Policy", "read_policy"]
