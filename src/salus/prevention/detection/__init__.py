"""Outbreak detection on counts: many series at once, each with expected count, bound, p-value, reason.

`detect` judges `Counts` by any of `METHODS` and answers with a `Detection`; each method can also be called
with its own control. Nothing here reads the clock, the database or the network.
"""

from salus.prevention.detection.classic import ClassicControl, farrington_classic
from salus.prevention.detection.counts import Counts
from salus.prevention.detection.cusum import CusumControl, cusum
from salus.prevention.detection.ears import EarsControl, ears
from salus.prevention.detection.farrington import FarringtonControl, farrington_flexible, with_settings
from salus.prevention.detection.glr import ChartControl, glr, nb_cusum
from salus.prevention.detection.methods import METHODS, Method, detect
from salus.prevention.detection.result import WORDS, Detection, Reason
from salus.prevention.detection.windows import (
    CdcControl,
    PercentileControl,
    WindowControl,
    bayes,
    cdc,
    moving_percentile,
    rki,
)

__all__ = [
    "METHODS", "WORDS", "CdcControl", "ChartControl", "ClassicControl", "Counts", "CusumControl", "Detection",
    "EarsControl", "FarringtonControl", "Method", "PercentileControl", "Reason", "WindowControl", "bayes",
    "cdc", "cusum", "detect", "ears", "farrington_classic", "farrington_flexible", "glr", "moving_percentile",
    "nb_cusum", "rki", "with_settings",
]  # fmt: skip
