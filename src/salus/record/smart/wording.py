"""What a SMART scope lets an app do, in the reader's language.

Source of the scopes: HL7 SMART App Launch 2.2, "Scopes and Launch Context"; v1 words map as that page says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from salus.kernel import smart
from salus.kernel.errors import Invalid
from salus.record.words import type_title

DOES = {
    "r": pgettext_lazy("what an app may do", "read"),
    "s": pgettext_lazy("what an app may do", "search"),
    "c": pgettext_lazy("what an app may do", "create"),
    "u": pgettext_lazy("what an app may do", "change"),
    "d": pgettext_lazy("what an app may do", "delete"),
}
"""The words for the letters of a scope, in the order in which people say them: looking, then changing."""

WHOLE = {
    "patient": gettext_lazy("%(does)s everything in your own record"),
    "user": gettext_lazy("%(does)s everything in the records that you may see"),
    "system": gettext_lazy("%(does)s everything in the records that the system may see"),
}
PART = {
    "patient": gettext_lazy("%(does)s in your own record: %(part)s"),
    "user": gettext_lazy("%(does)s in the records that you may see: %(part)s"),
    "system": gettext_lazy("%(does)s in the records that the system may see: %(part)s"),
}
OTHERS = {
    "launch/patient": gettext_lazy("Know which record is yours"),
    "offline_access": gettext_lazy("Stay connected when you are not using it, until you take it back"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One scope as the reader sees it: in words, and as the app wrote it."""

    words: str
    scope: str


def listed(things: Sequence[str]) -> str:
    """Return things as one list in words: `read, search and change`."""
    if len(things) < 2:
        return "".join(things)
    most = pgettext("between the things of a list", ", ").join(things[:-1])
    return _("%(most)s and %(last)s") % {"most": most, "last": things[-1]}


def in_words(scope: str) -> str:
    """Return what a scope lets an app do, in the language in force; one that is not known, as it is."""
    if scope in OTHERS:
        return str(OTHERS[scope])
    try:
        parsed = smart.parse(scope)
    except Invalid:
        parsed = None
    if parsed is None:
        return _("Something that has no words here: %(scope)s") % {"scope": scope}
    does = capfirst(listed([str(word) for letter, word in DOES.items() if letter in parsed.letters]))
    if parsed.resource_type == "*":
        words = str(WHOLE[parsed.context]) % {"does": does}
    else:
        words = str(PART[parsed.context]) % {"does": does, "part": type_title(parsed.resource_type)}
    if parsed.query:
        return _("%(words)s, only where %(query)s") % {"words": words, "query": parsed.query}
    return words


def asked(scopes: Iterable[str]) -> list[Asked]:
    """Return each scope once with its words, in the order given."""
    return [Asked(in_words(scope), scope) for scope in dict.fromkeys(scopes)]
