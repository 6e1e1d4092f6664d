"""Which detector judges which disease in which week, as the rules say.

The file's rows are dated, so that a past week is judged by what held then. See `rules/detection_use.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from salus.kernel.errors import Invalid
from salus.prevention.detection.combining import combined
from salus.prevention.detection.counts import Counts
from salus.prevention.detection.methods import METHODS, detect
from salus.prevention.detection.result import Detection

STANDARD = Path(__file__).parent.parent / "rules" / "detection_use.toml"
COMBINED = "combined"


@dataclass(frozen=True, slots=True)
class Use:
    """A method in use: its name on pages, for which disease ("*": all), shown or silent, its settings."""

    name: str
    disease: str
    shadow: bool
    method: str
    options: Mapping[str, Any]
    paper: str | None
    least_weeks: int
    first: date
    last: date | None
    source: str
    checked: str

    def holds(self, disease: str, week: date) -> bool:
        """Whether it is in use for a disease in a week (its Monday)."""
        return (
            self.disease in ("*", disease) and self.first <= week and (self.last is None or week <= self.last)
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the reader is shown."""
        return ({"paper": self.paper} if self.paper else {}) | dict(self.options)

    def judge(self, counts: Counts, at: list[int]) -> Detection:
        """Judge series at time points (0-based); raises `Invalid` for settings that cannot be."""
        if self.method == COMBINED:
            return combined(counts, at, **self.options)
        return detect(counts, self.method, at, paper=self.paper, **self.options)


@dataclass(frozen=True, slots=True)
class Uses:
    """The methods in use and how signals are chosen; the parts are as in the file."""

    rows: tuple[Use, ...]
    selection: Mapping[str, Any] = field(default_factory=dict)
    delay: Mapping[str, Any] = field(default_factory=dict)
    scan: Mapping[str, Any] = field(default_factory=dict)

    def shown(self, disease: str, week: date) -> list[Use]:
        """Return the methods whose findings are shown, in the order in which they are tried."""
        return self._of(disease, week, shadow=False)

    def silent(self, disease: str, week: date) -> list[Use]:
        """Return the methods that run silently beside."""
        return self._of(disease, week, shadow=True)

    def _of(self, disease: str, week: date, *, shadow: bool) -> list[Use]:
        held = [one for one in self.rows if one.shadow == shadow and one.holds(disease, week)]
        own = [one for one in held if one.disease == disease]
        return own or held


@cache
def _read(path: Path, changed: int) -> Uses:
    try:
        told = tomllib.loads(path.read_text("utf-8"))
        rows = tuple(_use(row) for row in told["use"])
        parts = {part: told[part] for part in ("selection", "delay", "scan")}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as fault:
        raise Invalid(
            "detection-use", "The file of the detectors in use cannot be read", where=f"{path.name}: {fault}",
            fix="Compare it with the one delivered.",
        ) from fault  # fmt: skip
    return Uses(rows, **parts)


def uses(own: Path | None = None) -> Uses:
    """Return what the city's own file says, else the delivered one.

    Raises:
        Invalid: the file cannot be read, or names a method or role that is not there (detection-use).
    """
    path = own if own is not None and own.is_file() else STANDARD
    return _read(path, path.stat().st_mtime_ns)


def _use(row: Mapping[str, Any]) -> Use:
    if row["method"] not in METHODS and row["method"] != COMBINED:
        raise Invalid("detection-use", "There is no such method", where=row["method"], fix=", ".join(METHODS))
    if row["role"] not in ("shown", "shadow"):
        raise Invalid("detection-use", "A method is shown or a shadow", where=str(row["role"]))
    return Use(
        row["name"], row["disease"], row["role"] == "shadow", row["method"], row.get("options", {}),
        row.get("paper"), int(row["least_weeks"]), row["from"], row.get("to"), row["source"], row["checked"],
    )  # fmt: skip
