"""System health: checks that rooms register beside those of the kernel, shown together."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a check: what, how much or how, and whether that is well ("", ok, warn, bad)."""

    title: Text
    value: Text | int
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A part of the health page. `facts()` is asked every few seconds, so it must be cheap."""

    name: str
    title: Text
    facts: Callable[[], list[Fact]]
    order: int = 50


_checks: dict[str, Check] = {}


def register(check: Check) -> None:
    """Offer a check; registering a name again replaces it."""
    _checks[check.name] = check


def checks() -> list[Check]:
    """Return the registered checks in order."""
    return sorted(_checks.values(), key=lambda check: (check.order, check.name))
