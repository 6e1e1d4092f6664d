"""What every room of the city needs to speak of visits: their kinds, the day's minutes and the season."""

import numpy as np

from salus.city.facts import Floats, Ints

AMBULATORY, EMERGENCY, INPATIENT = 0, 1, 2
MINUTES = 1440


def season(day: Ints, peak_month: Ints | int, amplitude: Floats | float) -> Floats:
    """Return how much likelier a diagnosis is on a day than on average (1 + amplitude at its peak month)."""
    phase = (day % 365.25) / 365.25 * 2 * np.pi
    return np.asarray(1 + amplitude * np.cos(phase - (peak_month - 0.5) / 12 * 2 * np.pi))
