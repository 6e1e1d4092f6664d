"""What a room says of a form that works without a connection, and the registry of such forms."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django import forms as django_forms
from django.utils.functional import Promise

from salus.kernel.policy import Principal
from salus.web import navigation

Text = str | Promise

RULES = ("required_if", "not_after", "not_before", "not_above", "at_least_one")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule between fields, checked on the device and again on the server.

    Attributes:
        kind: `required_if` (`field` must be filled in when `other` has one of `values`); `not_after` and
            `not_before` (days or instants: `field` against `other`, or against today when `other` is
            empty); `not_above` (numbers: `field` at most `other`); `at_least_one` (of `values`, names of
            fields; the words stand at `field`).
        field: where the words stand.
        message: what is wrong and what to do.
        other: the field compared with.
        values: see `kind`.
    """

    kind: str
    field: str
    message: Text
    other: str = ""
    values: tuple[str, ...] = ()

    def holds(self, values: Mapping[str, Any], today: date) -> bool:
        """Tell whether cleaned values keep the rule; a comparison with nothing holds."""
        mine = values.get(self.field)
        match self.kind:
            case "required_if":
                other = values.get(self.other)
                meant = {str(v) for v in other} if isinstance(other, list | tuple) else {_said(other)}
                return not (meant & set(self.values)) or mine not in (None, "", [], False)
            case "at_least_one":
                return any(values.get(name) not in (None, "", [], False) for name in self.values)
        other = values.get(self.other) if self.other else today
        if mine is None or other is None:
            return True
        if isinstance(mine, datetime) and not isinstance(other, datetime):
            mine = mine.date()
        elif isinstance(other, datetime) and not isinstance(mine, datetime):
            other = other.date()
        return bool(mine >= other) if self.kind == "not_before" else bool(mine <= other)


@dataclass(frozen=True, slots=True)
class Subject:
    """Something a form can be filled in for, as the device lists it: a contact to visit, a bed, a premise.

    Attributes:
        key: what the room knows it by. It never stands in an address.
        title: its name in the list.
        lines: what else the reader needs on the spot, such as the address or yesterday's temperature.
        version: what changes whenever the server's values change; empty when each form is new.
        values: the server's values of the form's fields, shown to begin with and beside mine in a conflict.
        due: the day it is to be done; the list begins with the earliest.
    """

    key: str
    title: str
    lines: Sequence[str] = ()
    version: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    due: date | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What the server has now for a subject: its version and the values of the form's fields."""

    version: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submission:
    """A form as it arrives, checked by the Django form and by the rules.

    Attributes:
        id: made on the device, the same each time this form is sent.
        principal: who filled it in, and whom the service asks the policy about.
        key: of the subject, or empty.
        values: the Django form's cleaned data.
        made: when it was kept on the device, by the device's clock; may be days ago, and wrong.
        now: when it is taken in.
        amends: the id of an earlier form of this one that was taken in already, or None.
    """

    id: UUID
    principal: Principal
    key: str
    values: Mapping[str, Any]
    made: datetime
    now: datetime
    amends: UUID | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a room answers: words for the person, and the subject's key and version as they are now."""

    words: str = ""
    key: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form that works without a connection.

    Attributes:
        name: in its address, `/offline/form/<name>`.
        title: of its page.
        form: a Django form class. What of it a browser can check (required, length, range, pattern,
            choices, days, numbers) is checked on the device, all of it on the server.
        apply: the service that takes a form in. It runs inside the transaction that also writes the
            receipt, so both are there or neither. It raises a `SalusError` or Django's `ValidationError`
            to reject: the words are shown at the item, which stays in the outbox. A `SalusError` whose
            `where` is a field's name is shown there.
        snapshot: what the device needs, such as my contacts today; it decides by the policy and audits
            what it hands out, like any query. None: the form has no subjects.
        version: what the server has now for a key; it locks the row it reads (`select_for_update`), since
            it runs in the transaction of `apply`. None: each form is a new thing and cannot conflict.
        roles: who may use it; empty means everybody who is signed in.
        rules: rules between fields.
        lead: a sentence under the title.
        amends: whether `apply` understands `Submission.amends`, where `version` is None.
        group, icon, order: where its page stands in the navigation.
    """

    name: str
    title: Text
    form: type[django_forms.Form]
    apply: Callable[[Submission], Accepted]
    snapshot: Callable[[Principal, datetime], Sequence[Subject]] | None = None
    version: Callable[[Principal, str], Version | None] | None = None
    roles: frozenset[str] = frozenset()
    rules: Sequence[Rule] = ()
    lead: Text = ""
    amends: bool = False
    group: str = "home"
    icon: str = "inbox"
    order: int = 60


_forms: dict[str, Form] = {}


def register(form: Form) -> None:
    """Offer a form and its page in the navigation; registering a name again replaces it.

    Raises:
        ValueError: a rule is of no known kind, or names a field that the form does not have.
    """
    fields = set(form.form.base_fields)
    for rule in form.rules:
        named = {rule.field, *([rule.other] if rule.other else [])}
        named |= set(rule.values) if rule.kind == "at_least_one" else set()
        if rule.kind not in RULES or not named <= fields:
            raise ValueError(f"form {form.name}: the rule {rule.kind} on {rule.field} cannot be checked")
    _forms[form.name] = form
    navigation.register(
        navigation.Page(
            f"offline-{form.name}",
            form.title,
            "web:offline-form",
            form.roles,
            form.group,
            form.icon,
            form.order,
            arguments=(form.name,),
        )
    )


def unregister(name: str) -> None:
    """Withdraw a form; what waits for it on devices is then rejected with words."""
    _forms.pop(name, None)
    navigation.withdraw(f"offline-{name}")


def get(name: str) -> Form:
    """Return a registered form.

    Raises:
        KeyError: there is none of that name.
    """
    return _forms[name]


def forms() -> list[Form]:
    """Return every registered form by its order."""
    return sorted(_forms.values(), key=lambda form: (form.order, form.name))


def visible(roles: Iterable[str]) -> list[Form]:
    """Return the forms that somebody with these roles may use."""
    held = frozenset(roles)
    return [form for form in forms() if not form.roles or form.roles & held]


def _said(value: Any) -> str:
    """Return a value as the device knows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
