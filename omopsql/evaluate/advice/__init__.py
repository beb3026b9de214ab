"""When not to use synthetic data: rules with their evidence, in words for a clinician."""

from .rules import CARE, NO, TOLD, YES, Advice, worst

__all__ = ["CARE", "NO", "TOLD", "YES", "Advice", "worst"]
