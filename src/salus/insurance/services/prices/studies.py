"""Studies of new prices: asked for on a page, worked out by a worker with its progress shown."""

import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib import resources
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import PriceBasis, PriceMove, PriceStudy, StudyState
from salus.insurance.repricing import Conflicting, trade_off
from salus.insurance.repricing.commands import summary
from salus.insurance.repricing.explaining import explain
from salus.insurance.repricing.impact import impact
from salus.insurance.repricing.rules import Rules, rules_from
from salus.insurance.repricing.solving import Outcome, Study
from salus.insurance.services.prices.bases import load_basis
from salus.kernel import audit, policy
from salus.kernel.errors import Invalid, SalusError
from salus.kernel.policy import Principal, Target

_BATCH = 500
CURVE = (0, 20, 40, 60, 80, 100)
"""The closenesses at which change is traded off against distance."""
_PAUSE = 0.5
"""Seconds between notes of progress, so that a study writes little."""

Choices = Mapping[str, str | int]


def study_rules(choices: Choices) -> dict[str, Any]:
    """Return the programme's rules with what was chosen, as a table that `rules_from` takes.

    `choices`: closeness, returned (percent), tolerance (yuan), and hospital, tier, group (most change,
    percent).

    Raises:
        Invalid: something chosen is out of range.
    """
    text = resources.files("salus.insurance").joinpath("rules", "repricing_city.toml").read_text("utf-8")
    table = tomllib.loads(text)
    table["goal"]["closeness"] = int(choices.get("closeness", table["goal"]["closeness"]))
    for name in ("returned", "tolerance"):
        table["neutral"][name] = str(choices.get(name, table["neutral"][name]))
    for name in ("hospital", "tier", "group"):
        if name in choices:
            limit = table["limits"][name]
            limit["most"] = str(choices[name])
            limit["free"] = min(str(limit["free"]), str(limit["most"]), key=float)
    rules_from(table)
    return table


def ask(
    principal: Principal, basis: PriceBasis, choices: Choices, *, title: str, now: datetime
) -> PriceStudy:
    """Record a question for new prices; a worker answers it (`run_study`).

    Raises:
        NotAllowed: the principal may not.
        Invalid: a choice is out of range, or there is no title.
    """
    policy.require(principal, "create", Target("service_price"))
    if not (title := title.strip()):
        raise Invalid("price-title", _("Give it a title"), where="title")
    rules = study_rules(choices)
    with transaction.atomic(), connection.cursor() as cursor:
        made = PriceStudy.objects.create(
            basis=basis, title=title[:200], rules=rules, closeness=rules["goal"]["closeness"], asked_at=now,
            asked_by=principal.name,
        )  # fmt: skip
        detail = {"basis": basis.pk, "closeness": made.closeness}
        entry = audit.entry(
            principal, "create", resource_type="PriceStudy", resource_id=str(made.pk), detail=detail
        )
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return made


def run_study(study_id: int) -> None:
    """Work out a study and store its answer, or why there is none; a study that is done stays as it is."""
    study = PriceStudy.objects.select_related("basis").get(pk=study_id)
    if study.state == StudyState.DONE:
        return
    PriceStudy.objects.filter(pk=study_id).update(state=StudyState.RUNNING, stage="reading", done=0, total=1)
    note = _noting(study_id)
    try:
        rules = rules_from(study.rules)
        basis = load_basis(study.basis)
        outcome = Study(basis, rules, note).at(rules.closeness)
        points = [asdict(point) for point in trade_off(basis, rules, CURVE, note)]
    except SalusError as fault:
        conflicts = [asdict(one) for one in fault.conflicts] if isinstance(fault, Conflicting) else []
        _finish(study_id, StudyState.FAILED, failure_code=fault.code, failure=str(fault), conflicts=conflicts)
        return
    except Exception:
        _finish(study_id, StudyState.FAILED, failure_code="price-study-broken", failure="")
        raise
    _store(study, outcome, points, rules)


def _noting(study_id: int) -> Callable[[str, int, int], None]:
    """Return what notes a study's progress, each new stage and twice a second."""
    last: list[Any] = ["", 0.0]

    def note(stage: str, done: int, of: int) -> None:
        now = time.monotonic()
        if stage != last[0] or now - last[1] >= _PAUSE:
            last[:] = [stage, now]
            PriceStudy.objects.filter(pk=study_id).update(stage=stage, done=done, total=of)

    return note


def _finish(study_id: int, state: StudyState, **changes: Any) -> None:
    PriceStudy.objects.filter(pk=study_id).update(
        state=state, stage="", finished_at=timezone.now(), **changes
    )


def _store(study: PriceStudy, outcome: Outcome, points: list[dict[str, Any]], rules: Rules) -> None:
    basis = outcome.basis
    moves = [
        PriceMove(
            study=study, code=move.code, tier=move.tier, name=basis.names[place],
            department=basis.departments[place], old=move.old, new=move.new, change=move.new - move.old,
            share=round(move.share * 10_000), target=move.target, lowest=move.lowest, highest=move.highest,
            volume=move.volume, reason=move.reason, pulls=move.pulls,
        )
        for place, move in enumerate(explain(outcome))
    ]  # fmt: skip
    touched = [
        asdict(one) | {"net": one.net, "own_net": one.own_net} for one in impact(basis, rules, outcome.prices)
    ]
    with transaction.atomic():
        PriceMove.objects.filter(study=study).delete()
        PriceMove.objects.bulk_create(moves, batch_size=_BATCH)
        _finish(study.pk, StudyState.DONE, summary=summary(outcome), curve=points, impact=touched)
