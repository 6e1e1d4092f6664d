"""Fellegi–Sunter weights: what each level of agreement is worth, in bits, and the file that keeps them.

Source: I. P. Fellegi and A. B. Sunter, A Theory for Record Linkage, JASA 64 (1969). The weight of a
level is log2(m/u): m its probability among pairs of one person, u among pairs of two. Term frequency
adjustment as in Splink: u of an exact level becomes the frequency of the value agreed on.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.kernel.errors import Invalid
from salus.record.identity.engine.compare import Comparison, Record

FORMAT = "salus-link-model/1"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One field of a compared pair: the level reached, its words, and its weight in bits."""

    field: str
    level: int
    label: str
    weight: float


@dataclass(slots=True)
class Model:
    """Trained weights: for each comparison the m and u of each level (index: level 0 is "else").

    `prior` is the probability that two random records are of one person; `terms` are the frequencies
    of the commonest values of a column, `rare` the frequency assumed of all others; `threshold` is the
    match weight in bits from which a pair is joined.
    """

    m: dict[str, list[float]]
    u: dict[str, list[float]]
    prior: float
    threshold: float = 0.0
    terms: dict[str, dict[str, float]] = field(default_factory=dict)
    rare: dict[str, float] = field(default_factory=dict)
    splink: dict[str, Any] = field(default_factory=dict)

    def weight(self, name: str, level: int) -> float:
        """Return the weight in bits of a level of a comparison; 0 for missing values."""
        if level < 0:
            return 0.0
        return math.log2(max(self.m[name][level], 1e-9) / max(self.u[name][level], 1e-12))

    @property
    def prior_weight(self) -> float:
        """The prior odds in bits."""
        return math.log2(self.prior / (1 - self.prior))

    def with_prior(self, prior: float) -> "Model":
        """Return the same weights for another share of matching pairs (a bigger table has a smaller one)."""
        return Model(self.m, self.u, prior, self.threshold, self.terms, self.rare, self.splink)

    def save(self, path: Path) -> None:
        """Write the model file (JSON; the part under "splink" is a Splink 5 settings file)."""
        document = {
            "format": FORMAT,
            "prior": self.prior,
            "threshold": self.threshold,
            "terms": self.terms,
            "rare": self.rare,
            "splink": self.splink,
        }
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model file written by `save`, or a bare Splink 5 settings file; raises `Invalid`."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document.get("format") == FORMAT:
                model = cls.from_splink(document["splink"])
                model.prior, model.threshold = document["prior"], document["threshold"]
                model.terms, model.rare = document["terms"], document["rare"]
                return model
            return cls.from_splink(document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Invalid(
                "link-model", "The model file cannot be read", where=path.name,
                fix="Train one with: salus record link FILE --train --model MODEL.json",
            ) from error  # fmt: skip

    @classmethod
    def from_splink(cls, settings: Mapping[str, Any]) -> "Model":
        """Take m and u from a trained Splink 5 settings dictionary."""
        m: dict[str, list[float]] = {}
        u: dict[str, list[float]] = {}
        for comparison in settings["comparisons"]:
            levels = [x for x in comparison["comparison_levels"] if not x.get("is_null_level")]
            name = comparison["output_column_name"]
            m[name] = [_probability(x.get("m_probability")) for x in reversed(levels)]
            u[name] = [_probability(x.get("u_probability")) for x in reversed(levels)]
        return cls(m, u, settings["probability_two_random_records_match"], splink=dict(settings))


def _probability(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 1e-6


@dataclass(frozen=True, slots=True)
class Shared:
    """Evidence that people who live together share: it would be counted as often as there are fields.

    Of `fields` that agree only the strongest counts, and `family_field` then is worth at most
    `family_bits`: members of a household mostly bear one family name.
    """

    fields: tuple[str, ...] = ()
    family_field: str = ""
    family_bits: float = 0.0


class Scorer:
    """Scores pairs of normalised records with a model; made once, used for every arriving record."""

    def __init__(self, model: Model, comparisons: Sequence[Comparison], shared: Shared | None = None) -> None:
        missing = [c.name for c in comparisons if c.name not in model.m]
        if missing:
            raise Invalid("link-model", "The model does not know a field", where=", ".join(missing))
        self.model = model
        self._shared = shared
        self._plan = [
            (c, [model.weight(c.name, i) for i in range(len(c.levels) + 1)], self._terms(c))
            for c in comparisons
        ]

    def _terms(self, c: Comparison) -> list[tuple[str, dict[str, float], float, float] | None]:
        out: list[tuple[str, dict[str, float], float, float] | None] = [None] * (len(c.levels) + 1)
        for i, level in enumerate(c.levels):
            if level.term and level.term in self.model.terms:
                at = len(c.levels) - i
                frequencies = self.model.terms[level.term]
                rare = self.model.rare.get(level.term, 1e-6)
                out[at] = (level.term, frequencies, rare, math.log2(max(self.model.u[c.name][at], 1e-12)))
        return out

    def _fields(self, left: Record, right: Record) -> list[tuple[str, int, float]]:
        found = []
        for comparison, weights, terms in self._plan:
            level = comparison.vector(left, right)
            weight = weights[level] if level >= 0 else 0.0
            if level >= 0 and (term := terms[level]) is not None:
                weight += term[3] - math.log2(term[1].get(left[term[0]] or "", term[2]))
            found.append((comparison.name, level, weight))
        return self._household(found) if self._shared else found

    def _household(self, found: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
        shared = self._shared
        agreed = [w for name, _, w in found if shared and name in shared.fields and w > 0]
        if not agreed or shared is None:
            return found
        best, counted, out = max(agreed), False, []
        for name, level, weight in found:
            if name in shared.fields and weight > 0:
                weight, counted = (best, True) if weight == best and not counted else (0.0, counted)
            elif name == shared.family_field:
                weight = min(weight, shared.family_bits)
            out.append((name, level, weight))
        return out

    def weight(self, left: Record, right: Record) -> float:
        """Return the match weight of a pair in bits, the prior included."""
        return self.model.prior_weight + sum(w for _, _, w in self._fields(left, right))

    def explain(self, left: Record, right: Record) -> list[Agreement]:
        """Return each field's agreement and weight, for a reviewer."""
        found = []
        for (comparison, _, _), (name, level, weight) in zip(
            self._plan, self._fields(left, right), strict=True
        ):
            label = "missing" if level < 0 else "different"
            if level > 0:
                label = comparison.levels[len(comparison.levels) - level].label
            found.append(Agreement(name, level, label, weight))
        return found


def probability(weight: float) -> float:
    """Return the probability of a match of this weight."""
    if weight > 60:
        return 1.0
    odds = math.exp2(weight)
    return odds / (1 + odds)
