"""Child growth against the WHO's standards: z-scores, curves and what they are called.

Ages 0 to 5 years by the Child Growth Standards of 2006, 5 to 19 by the Reference of 2007.
"""

from salus.prevention.growth.scores import Scores, centile, curves, lms_value, lms_z, z_scores
from salus.prevention.growth.tables import INDICATORS, Class, Table, classes, tables

__all__ = [
    "INDICATORS", "Class", "Scores", "Table", "centile", "classes", "curves", "lms_value", "lms_z", "tables",
    "z_scores",
]  # fmt: skip
