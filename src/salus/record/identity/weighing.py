"""The model and thresholds in force for records that arrive one by one."""

import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from django.conf import settings

from salus.record.identity.engine.resident import SCHEMA
from salus.record.identity.engine.weights import Model, Scorer, Shared

HOUSEHOLD = Shared(("phone", "address"), "family", 1.0)
_SHIPPED = Path(str(files("salus.record").joinpath("rules/identity/model.json")))
TRAINED = "identity-model.json"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Match weights in bits: joined from `link` up, reviewed from `review` up; blocks are cut at `block`."""

    link: float
    review: float
    block: int
    same_candidates: float
    household: float


@lru_cache(maxsize=1)
def thresholds() -> Thresholds:
    """Return the thresholds of `rules/identity/thresholds.toml`."""
    text = files("salus.record").joinpath("rules/identity/thresholds.toml").read_text(encoding="utf-8")
    rules = tomllib.loads(text)

    def bits(name: str) -> float:
        p = float(rules[name]["probability"])
        return math.log2(p / (1 - p))

    return Thresholds(
        bits("link"),
        bits("review"),
        int(rules["block"]["records"]),
        float(rules["prior"]["records_of_a_person_elsewhere"]),
        float(rules["household"]["others"]),
    )


def model_path() -> Path:
    """Return where a model trained on this installation's own records is kept."""
    return Path(settings.DATA_DIR) / TRAINED


def active_model() -> Model:
    """Return the installation's own model if one was trained, else the one that comes with Salus."""
    path = model_path()
    try:
        return _load(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        pass
    return _load(_SHIPPED, 0)


@lru_cache(maxsize=2)
def _load(path: Path, stamp: int) -> Model:
    return Model.load(path)


def scorer(records: int) -> Scorer:
    """Return the scorer for a table of that many patient records.

    The prior is the chance that a given record is of the arriving person: the records that a person
    is expected to have elsewhere, over all records; that another shares a phone or address is the people
    who live together, over all. `records` is rounded to a power of two.
    """
    return _scorer(active_model(), max(10, records.bit_length()))


_scorers: dict[tuple[int, int], tuple[Model, Scorer]] = {}


def _scorer(model: Model, bits: int) -> Scorer:
    cached = _scorers.get((id(model), bits))
    if cached is None or cached[0] is not model:
        rules = thresholds()
        scaled = model.with_prior(min(0.1, rules.same_candidates / 2**bits))
        scaled.rare = {**model.rare, **{f: min(0.1, rules.household / 2**bits) for f in HOUSEHOLD.fields}}
        cached = _scorers[id(model), bits] = (model, Scorer(scaled, SCHEMA.comparisons(), HOUSEHOLD))
        if len(_scorers) > 8:
            _scorers.pop(next(iter(_scorers)))
    return cached[1]
