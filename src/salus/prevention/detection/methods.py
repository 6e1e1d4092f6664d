"""Every detector by its name, called the same way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from salus.kernel.errors import Invalid
from salus.prevention.detection.classic import ClassicControl, farrington_classic
from salus.prevention.detection.combining import CombinedControl, judge_combined
from salus.prevention.detection.counts import Counts, Indexes
from salus.prevention.detection.cusum import CusumControl, cusum
from salus.prevention.detection.ears import EarsControl, ears
from salus.prevention.detection.farrington import (
    FarringtonControl,
    Progress,
    farrington_flexible,
    with_settings,
)
from salus.prevention.detection.glr import ChartControl, glr, nb_cusum
from salus.prevention.detection.result import Detection
from salus.prevention.detection.windows import (
    CdcControl,
    PercentileControl,
    WindowControl,
    bayes,
    cdc,
    moving_percentile,
    rki,
)


@dataclass(frozen=True, slots=True)
class Method:
    """A detector: what it does, the type of its settings, those it starts from, and how it is called."""

    about: str
    control: type
    start: dict[str, Any]
    call: Callable[..., Detection]
    threaded: bool = False

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of its settings."""
        return tuple(one.name for one in fields(self.control) if one.name != "variant")


METHODS: dict[str, Method] = {
    "farrington": Method(
        "quasi-Poisson regression on past years, flexible", FarringtonControl, {}, farrington_flexible, True
    ),
    "farrington-classic": Method(
        "the same as first published, two-sided", ClassicControl, {}, farrington_classic, True
    ),
    "ears-c1": Method("mean and spread of the last days", EarsControl, {"variant": "C1"}, ears),
    "ears-c2": Method("the same, two points earlier", EarsControl, {"variant": "C2"}, ears),
    "ears-c3": Method("C2 summed over three points", EarsControl, {"variant": "C3"}, ears),
    "rki": Method("mean of past seasons plus two deviations", WindowControl, {}, rki),
    "bayes": Method(
        "predictive distribution of past counts", WindowControl,
        {"years": 0, "half_window": 6, "this_year": True}, bayes,
    ),
    "cdc": Method("sums of four weeks against past years", CdcControl, {}, cdc),
    "moving-percentile": Method(
        "a percentile of the same days of past years", PercentileControl, {}, moving_percentile
    ),
    "cusum": Method("sum of excess of transformed counts", CusumControl, {}, cusum),
    "nb-cusum": Method(
        "negative binomial CUSUM, starting again after an alarm", ChartControl,
        {"kappa": 0.1823215567939546, "alpha": None}, nb_cusum,
    ),
    "glr": Method("likelihood ratio of an unknown rise, anew after an alarm", ChartControl, {}, glr),
    "combined": Method(
        "one calibrated score of several detectors on weekly counts", CombinedControl, {}, judge_combined
    ),
}  # fmt: skip


def method_of(name: str) -> Method:
    """Return a method; raises `Invalid` (detection-method) for another name."""
    if name not in METHODS:
        raise Invalid(
            "detection-method", "There is no such method", where=name, fix=f"One of {', '.join(METHODS)}."
        )
    return METHODS[name]


def detect(
    counts: Counts,
    method: str = "farrington",
    at: Sequence[int] | Indexes | None = None,
    *,
    paper: str | None = None,
    threads: int = 2,
    progress: Progress | None = None,
    **settings: Any,
) -> Detection:
    """Judge series of counts at the time points `at` (0-based; all that can be judged if None).

    `paper` chooses published settings of Farrington's method (default, original, noufaily); `settings` are
    fields of the method's control and change single ones. Raises `Invalid` for a method or setting that is
    not there (detection-method, detection-option), or that cannot be (detection-control).
    """
    chosen = method_of(method)
    for name in settings:
        if name not in chosen.settings:
            raise Invalid(
                "detection-option", f"{method} has no setting {name}", where=name,
                fix=f"It has {', '.join(chosen.settings)}.",
            )  # fmt: skip
    if paper is not None and method != "farrington":
        raise Invalid("detection-option", "Only farrington has published settings", where=paper)
    if method == "farrington":
        control: Any = with_settings(paper or "default", **settings)
    else:
        control = chosen.control(**{**chosen.start, **settings})
    more: dict[str, Any] = {"threads": threads, "progress": progress} if chosen.threaded else {}
    return chosen.call(counts, control, at, **more)
