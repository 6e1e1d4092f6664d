"""What parents see of their children: schedule, growth, vaccinations, and the certificate to print."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from salus.kernel.errors import NotFound
from salus.prevention.pages.maternal import children as pages
from salus.prevention.pages.maternal import words
from salus.prevention.pages.maternal.show import Act, Cell, Section, page, row
from salus.prevention.queries.maternal import children as reading
from salus.prevention.queries.maternal import seeing
from salus.prevention.queries.maternal.children import Child
from salus.record.models import Person
from salus.web import access, documents


@access.may("search", seeing.GUARDIAN)
def mine(request: HttpRequest) -> HttpResponse:
    """List the children of the resident who is signed in."""
    asker, today = access.principal(request), timezone.localdate()
    held = seeing.children_of(asker, today)
    people = dict(
        Person.objects.filter(pk__in=[one.child.person_id for one in held]).values_list("pk", "name")
    )
    seeing.named(asker, [one.child.person_id for one in held], "my-children")
    rows = []
    for one in held:
        found = reading.record(one.child, today)
        state = Cell(_("Nothing overdue"), "ok")
        if found is not None and any(it.finding.status == "overdue" for it in (*found.doses, *found.visits)):
            state = Cell(_("Something overdue"), "bad")
        name = people.get(one.child.person_id, "")
        rows.append(
            row(
                Cell(name, url=reverse("prevention:my-child", args=[one.child_id])),
                one.child.anchor_on,
                state,
            )
        )
    empty = _("No child is linked to you yet. The clinic that looks after your child links you.")
    section = Section(
        "children", _("My children"), header=[_("Name"), _("Born"), _("State")], rows=rows, empty=empty
    )
    return page(
        request, _("My children"), [section], lead=_("Growth, checks and vaccinations of your children.")
    )


def _opened(request: HttpRequest, number: int) -> Child:
    today = timezone.localdate()
    try:
        entry = seeing.open_own_child(access.principal(request), number, today)
    except NotFound:
        raise Http404 from None
    found = reading.record(entry, today)
    if found is None:
        raise Http404
    return found


@access.may("read", seeing.GUARDIAN)
def child(request: HttpRequest, number: int) -> HttpResponse:
    """Show a child's record to its guardian."""
    found = _opened(request, number)
    return page(
        request,
        found.person.name,
        pages.sections(found, may=False),
        marks=pages.marks(found),
        lead=_("born on %(day)s") % {"day": found.birth.isoformat()},
        actions=[
            Act(
                _("Vaccination certificate (PDF)"),
                reverse("prevention:my-child-certificate", args=[number]),
                True,
            )
        ],
        breadcrumbs=[(_("My children"), reverse("prevention:my-children"))],
    )


@access.may("read", seeing.GUARDIAN)
def certificate(request: HttpRequest, number: int) -> HttpResponse:
    """Hand the child's vaccination certificate to its guardian."""
    found = _opened(request, number)
    return documents.answer(document(found, translation.get_language()), "pdf", "vaccination-certificate")


def document(found: Child, language: str) -> documents.Document:
    """Return a child's vaccination certificate: every dose with its batch, and what is still due."""
    today = timezone.localdate()
    with translation.override(language):
        products = {product for one in found.doses for product in one.service.products}
        doses = [
            [
                one.day,
                words.product(one.product, today),
                str(one.values.get("batch", "")),
                str(one.values.get("maker", "")),
                one.institution.name if one.institution else "",
            ]
            for one in found.given
            if one.product in products
        ]
        due = [
            [
                (one.service.name_zh if language.startswith("zh") else one.service.name_en),
                str(words.STATUS[one.finding.status][0]),
                one.finding.due_on,
            ]
            for one in found.doses
            if one.finding.status in ("upcoming", "due", "overdue")
        ]
        place = found.entry.institution.name if found.entry.institution else ""
        parts: list[documents.Part] = [
            documents.Facts(
                [(_("Name"), found.person.name), (_("Born"), found.birth), (_("Institution"), place)]
            ),
            documents.Heading(_("Vaccinations given")),
            documents.Table([_("Day"), _("Vaccine"), _("Batch number"), _("Maker"), _("Institution")], doses)
            if doses
            else documents.Paragraph(_("There is none yet.")),
            documents.Heading(_("Vaccinations due")),
            documents.Table([_("Vaccine"), _("State"), _("From")], due)
            if due
            else documents.Paragraph(_("Nothing is due.")),
            documents.Paragraph(_("Made from the city's vaccination record on the day named above."), "note"),
        ]
        return documents.Document(
            title=_("Vaccination certificate"),
            issuer=place or _("Health commission"),
            date=today,
            parts=parts,
            language=language,
        )
