from collections.abc import Sequence
from datetime import datetime

from django import forms
from django.utils import timezone

from salus.kernel.errors import Invalid
from salus.kernel.policy import Principal
from salus.web import offline
from tests.web.offline.sample.models import Contact, Visit


class VisitForm(forms.Form):
    day = forms.DateField(label="Day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    temperature = forms.DecimalField(
        label="Temperature", min_value=34, max_value=43, max_digits=3, decimal_places=1, help_text="In °C."
    )
    state = forms.ChoiceField(label="State", choices=[("well", "Well"), ("ill", "Ill")])
    signs = forms.MultipleChoiceField(
        label="Signs",
        required=False,
        choices=[("cough", "Cough"), ("rash", "Rash")],
        widget=forms.CheckboxSelectMultiple,
    )
    at_home = forms.BooleanField(label="Was at home", required=False)
    note = forms.CharField(label="Note", max_length=200, required=False)


def snapshot(principal: Principal, now: datetime) -> Sequence[offline.Subject]:
    today = timezone.localdate(now)
    return [
        offline.Subject(
            key=str(contact.pk),
            title=contact.name,
            lines=[contact.address],
            version=str(contact.version),
            values={
                "day": today,
                "temperature": contact.temperature,
                "note": contact.note,
            },
            due=today,
        )
        for contact in Contact.objects.order_by("pk")
    ]


def version(principal: Principal, key: str) -> offline.Version | None:
    contact = Contact.objects.select_for_update().filter(pk=key).first()
    if contact is None:
        return None
    return offline.Version(str(contact.version), {"temperature": contact.temperature, "note": contact.note})


def apply(submission: offline.Submission) -> offline.Accepted:
    values = submission.values
    if values["note"] == "refuse":
        raise Invalid("visit-note", "The note says nothing", where="note", fix="Write what you saw")
    contact = Contact.objects.get(pk=submission.key)
    Visit.objects.create(
        contact=contact,
        submission=submission.id,
        day=values["day"],
        temperature=values["temperature"],
        state=values["state"],
        note=values["note"],
        by=str(submission.principal.account_id),
    )
    contact.version += 1
    contact.temperature, contact.note = values["temperature"], values["note"]
    contact.save()
    return offline.Accepted("The visit is recorded", key=submission.key, version=str(contact.version))


def register() -> None:
    offline.register(
        offline.Form(
            name="visits",
            title="Visits to contacts",
            form=VisitForm,
            apply=apply,
            snapshot=snapshot,
            version=version,
            roles=frozenset({"village_doctor"}),
            rules=[
                offline.Rule("required_if", "note", "Say what is wrong.", other="state", values=("ill",)),
                offline.Rule("not_after", "day", "The day lies in the future."),
            ],
            lead="One visit a day until the quarantine ends.",
            group="prevention",
        )
    )
