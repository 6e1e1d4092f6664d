"""Take in a form that a device sends, exactly once: the receipt is written with the write or not at all."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal
from salus.web.models import OfflineReceipt
from salus.web.offline.registry import Accepted, Form, Submission, Version
from salus.web.offline.schema import plain_values

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """A form as the device sent it; `base` is the version that the person saw."""

    id: UUID
    form: str
    key: str
    base: str
    values: Mapping[str, Any]
    made: datetime
    amends: UUID | None = None

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was filled in, to tell a repetition from a change."""
        text = json.dumps([self.form, self.key, self.values], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one form.

    `state` is accepted, rejected (correct it), conflict (choose a version) or failed (sent again later).
    In a conflict `server` has what the server has, and `mine` says whether mine may be sent instead.
    """

    id: UUID
    state: str
    words: str = ""
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    key: str = ""
    version: str = ""
    server: Mapping[str, Any] | None = None
    mine: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the answer as it is sent."""
        return {
            "id": str(self.id),
            "state": self.state,
            "words": self.words,
            "errors": dict(self.errors),
            "key": self.key,
            "version": self.version,
            "server": self.server,
            "mine": self.mine,
        }


class _Refused(Exception):
    """The write is undone and the answer given instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.state)
        self.answer = answer


def receive(form: Form, item: Item, account: int, principal: Principal, *, now: datetime) -> Answer:
    """Take in one form.

    Sent again, it gives the same answer and changes nothing. Sent again with other values after it was
    taken in (the answer was lost, then the person corrected it), it is a conflict.

    Args:
        form: what the form is.
        item: what was sent.
        account: the number of the account that is signed in.
        principal: who the account is to the policy.
        now: the present instant.
    """
    if (held := _held(account, item)) is not None:
        return _again(form, item, held, principal)
    values, errors = cleaned(form, item.values, now)
    if errors:
        return Answer(item.id, "rejected", _("There is a problem"), errors)
    try:
        with transaction.atomic():
            accepted = _written(form, item, values, account, principal, now)
    except _Refused as refused:
        return refused.answer
    except SalusError as error:
        return _rejected(form, item, error)
    except ValidationError as error:
        return Answer(item.id, "rejected", _("There is a problem"), _by_field(form, error))
    except IntegrityError:
        # The same form on another connection was quicker; whatever else it was can be tried again.
        if (held := _held(account, item)) is not None:
            return _again(form, item, held, principal)
        return _failed(item, "IntegrityError")
    except Exception as error:  # noqa: BLE001 - one form must not hold up those behind it
        return _failed(item, type(error).__name__)
    return Answer(item.id, "accepted", accepted.words, key=accepted.key, version=accepted.version)


def _written(
    form: Form, item: Item, values: Mapping[str, Any], account: int, principal: Principal, now: datetime
) -> Accepted:
    receipt = OfflineReceipt.objects.create(
        account_id=account, item=item.id, form=form.name, digest=item.digest, received=now
    )
    if form.version is not None and item.key:
        current = form.version(principal, item.key)
        if current is None:
            raise _Refused(
                Answer(item.id, "rejected", _("What this form belongs to is no longer there, or not yours."))
            )
        if current.version != item.base:
            raise _Refused(_conflict(item, current))
    accepted = form.apply(
        Submission(
            id=item.id,
            principal=principal,
            key=item.key,
            values=values,
            made=item.made,
            now=now,
            amends=_amended(account, item),
        )
    )
    receipt.words, receipt.key, receipt.version = accepted.words[:400], accepted.key, accepted.version
    receipt.save(update_fields=["words", "key", "version"])
    return accepted


def cleaned(
    form: Form, values: Mapping[str, Any], now: datetime
) -> tuple[Mapping[str, Any], dict[str, list[str]]]:
    """Return the form's cleaned values, and what is wrong with them by field ("" for the whole)."""
    posted = QueryDict(mutable=True)
    for name, value in values.items():
        if isinstance(value, list):
            posted.setlist(name, [str(one) for one in value])
        elif value is True:
            posted[name] = "on"
        elif value is not None and value is not False:
            posted[name] = str(value)
    bound = form.form(posted)
    errors = {
        ("" if name == "__all__" else name): [str(word) for word in found]
        for name, found in bound.errors.items()
    }
    clean = getattr(bound, "cleaned_data", {})
    today = timezone.localdate(now)
    for rule in form.rules:
        if rule.field not in errors and not rule.holds(clean, today):
            errors.setdefault(rule.field, []).append(str(rule.message))
    return clean, errors


def _held(account: int, item: Item) -> OfflineReceipt | None:
    return OfflineReceipt.objects.filter(account_id=account, item=item.id).first()


def _amended(account: int, item: Item) -> UUID | None:
    """Return the earlier form's id when that form was taken in: a device may believe so wrongly."""
    if item.amends is None:
        return None
    taken = OfflineReceipt.objects.filter(account_id=account, item=item.amends, form=item.form)
    return item.amends if taken.exists() else None


def _again(form: Form, item: Item, held: OfflineReceipt, principal: Principal) -> Answer:
    if held.digest == item.digest:
        return Answer(item.id, "accepted", held.words, key=held.key, version=held.version)
    key = held.key or item.key
    if form.version is not None and key and (current := form.version(principal, key)) is not None:
        return _conflict(item, current, key=key)
    return Answer(
        item.id,
        "conflict",
        _("An earlier version of this form was taken in on %(moment)s; its answer never reached this device.")
        % {"moment": timezone.localtime(held.received).strftime("%Y-%m-%d %H:%M")},
        mine=form.amends,
    )


def _conflict(item: Item, current: Version, *, key: str = "") -> Answer:
    return Answer(
        item.id,
        "conflict",
        _("The server's version has changed since you opened it. Choose which one is to stand."),
        key=key or item.key,
        version=current.version,
        server=plain_values(current.values),
        mine=True,
    )


def _rejected(form: Form, item: Item, error: SalusError) -> Answer:
    words = " — ".join(_(part) for part in (error.message, error.fix) if part)
    errors = {error.where: [_(error.message)]} if error.where in form.form.base_fields else {}
    return Answer(item.id, "rejected", words, errors)


def _by_field(form: Form, error: ValidationError) -> dict[str, list[str]]:
    if not hasattr(error, "error_dict"):
        return {"": list(error.messages)}
    return {
        (name if name in form.form.base_fields else ""): list(words)
        for name, words in error.message_dict.items()
    }


def _failed(item: Item, kind: str) -> Answer:
    _log.error("an offline form could not be taken in: %s, form %s, item %s", kind, item.form, item.id)
    return Answer(item.id, "failed", _("The server could not take it in. It is tried again."))
