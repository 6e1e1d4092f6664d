"""What a clinic holds of vaccines: batches first to expire first, what may be given, what runs short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext_noop as _

from salus.kernel import policy
from salus.kernel.errors import NotAllowed
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.prevention.models import (
    Excursion,
    Fridge,
    Holding,
    MoveKind,
    RecalledDose,
    ServiceGiven,
    StockMove,
    VaccineBatch,
)
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.programme import seeing

KIND = "vaccine_stock"
NOT_USABLE = {
    "expired": _("The batch has expired"),
    "quarantined": _("The batch is in quarantine"),
    "recalled": _("The batch is recalled"),
    "used-up": _("Nothing is left of the batch"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """What a clinic has of one vaccine: doses that may be given, doses that may not, and what it asks for."""

    product: str
    usable: int
    barred: int
    minimum: int
    soon: int
    first_expiry: date | None

    @property
    def short(self) -> bool:
        """Whether less may be given than the least stock."""
        return self.usable < self.minimum


@dataclass(frozen=True, slots=True)
class Balance:
    """The moves of a holding by kind; what came is what went and what is left."""

    received: int
    taken_over: int
    given: int
    lost: int
    passed_on: int
    left: int

    @property
    def adds_up(self) -> bool:
        """Whether received and taken over is given, lost, passed on and left."""
        return self.received + self.taken_over == self.given + self.lost + self.passed_on + self.left


def target(institution: Institution | None) -> Target:
    """Return what the policy judges of a clinic's stock."""
    return Target(
        KIND, institution_id=institution.pk if institution else None,
        district_code=(institution.district_id or None) if institution else None,
    )  # fmt: skip


def places(principal: Principal, action: str = "read") -> list[Institution]:
    """Return the institutions whose stock the principal may see."""
    rows = Institution.objects.filter(active=True).order_by("code")
    if principal.institution_ids and not principal.district_codes:
        rows = rows.filter(pk__in=principal.institution_ids)
    return [one for one in rows if policy.decide(principal, action, target(one)).allowed]


def place(principal: Principal, number: int | None, action: str = "read") -> Institution:
    """Return one institution whose stock the principal may work with; its own without a number.

    Raises:
        NotAllowed: there is none.
    """
    if number is None:
        own = sorted(principal.institution_ids)
        found = Institution.objects.filter(pk=own[0]).first() if own else None
        found = found or next(iter(places(principal, action)), None)
    else:
        found = Institution.objects.filter(pk=number).first()
    if found is None or not policy.decide(principal, action, target(found)).allowed:
        raise NotAllowed("stock-place", _("No role of the account allows it"))
    return found


def holdings(institution: Institution) -> QuerySet[Holding]:
    """Return what an institution has left, what expires first first."""
    return (
        Holding.objects.select_related("batch", "fridge")
        .filter(institution=institution)
        .order_by("batch__product", "batch__expires_on", "pk")
    )


def why_not(held: Holding, day: date) -> str:
    """Return why a dose of a holding must not be given on a day (a code of `NOT_USABLE`), or ""."""
    if held.batch.recalled_at is not None:
        return "recalled"
    if held.quarantined_at is not None:
        return "quarantined"
    if held.batch.expires_on < day:
        return "expired"
    return "used-up" if held.left < 1 else ""


def first_to_give(institution_id: int, product: str, day: date) -> Holding | None:
    """Return the holding of the next dose: of those that may be given, the first to expire."""
    rows = Holding.objects.select_related("batch").filter(
        institution=institution_id, batch__product=product, left__gt=0, quarantined_at=None,
        batch__recalled_at=None, batch__expires_on__gte=day,
    )  # fmt: skip
    return rows.order_by("batch__expires_on", "pk").first()


def lines(institution: Institution, today: date) -> list[Line]:
    """Return what a clinic has of each vaccine of the rules."""
    held: dict[str, list[Holding]] = {}
    for one in holdings(institution):
        held.setdefault(one.batch.product, []).append(one)
    found = []
    for code, rule in rules.table("vaccine_products", today).items():
        some = held.get(code, [])
        good = [one for one in some if not why_not(one, today)]
        warn = today + timedelta(days=rule.whole("expiry_warning_days") or 0)
        found.append(
            Line(
                code, sum(one.left for one in good), sum(one.left for one in some if why_not(one, today)),
                rule.whole("minimum") or 0, sum(one.left for one in good if one.batch.expires_on <= warn),
                min((one.batch.expires_on for one in good), default=None),
            )
        )  # fmt: skip
    return found


def balance(rows: Iterable[Holding]) -> Balance:
    """Return the balance of some holdings from their moves."""
    numbers = [one.pk for one in rows]
    sums: Counter[str] = Counter()
    for kind, total in (
        StockMove.objects.filter(holding__in=numbers).order_by().values_list("kind").annotate(n=Sum("change"))
    ):
        sums[kind] += total
    left = sum(Holding.objects.filter(pk__in=numbers).values_list("left", flat=True))
    return Balance(
        sums[MoveKind.RECEIPT], sums[MoveKind.IN], -sums[MoveKind.DOSE] - sums[MoveKind.BACK],
        -sums[MoveKind.LOSS], -sums[MoveKind.OUT], left,
    )  # fmt: skip


def received(batch: VaccineBatch) -> QuerySet[ServiceGiven]:
    """Return the doses of a batch that residents were given: from the stock, or as the record tells.

    A dose that the record tells of names its batch number; where two makers share the number, one that does
    not name its maker counts for both, so that nobody is missed.
    """
    from_stock = StockMove.objects.filter(
        kind=MoveKind.DOSE, holding__batch=batch, given__isnull=False
    ).values("given")
    told = Q(product=batch.product, values__batch=batch.number, moves__isnull=True) & (
        Q(values__maker=batch.maker) | Q(values__maker__isnull=True)
    )
    numbers = ServiceGiven.objects.filter(Q(pk__in=from_stock) | told, undone_at=None).values("pk")
    return ServiceGiven.objects.filter(pk__in=numbers)


def recalled_doses(principal: Principal) -> QuerySet[RecalledDose]:
    """Return the doses of recalled batches of residents whom the principal may see, without an audit row."""
    condition, values = policy.scope(principal, "search", "", kind=seeing.KIND).sql(
        "prevention_servicegiven.person_id"
    )
    rows = RecalledDose.objects.filter(given__categories="")
    return rows.extra(where=[condition], params=values)  # noqa: S610 - the policy's own condition


def fridges(institution: Institution) -> QuerySet[Fridge]:
    """Return an institution's fridges."""
    return Fridge.objects.filter(institution=institution).order_by("name")


def open_excursions(institution: Institution) -> QuerySet[Excursion]:
    """Return the excursions of an institution that nobody decided on."""
    return Excursion.objects.select_related("fridge").filter(fridge__institution=institution, decided="")
