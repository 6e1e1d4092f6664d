"""The cards of the home page: each room says what each role should see first."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Figure:
    """What a card shows: a figure, what it counts, and how it stands.

    `tone` is one of "", "ok", "warn", "bad", "info". `value` is shown as it is, so format it first.
    """

    value: Text
    label: Text
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A card on the home page of the roles named.

    `figures` is asked on every visit, so it must be cheap (one indexed query); it returns an empty
    list when there is nothing to show, and the card is left out when it returns None.
    """

    name: str
    title: Text
    roles: frozenset[str]
    url_name: str
    figures: Callable[[HttpRequest], list[Figure] | None]
    text: Text = ""
    icon: str = "page"
    order: int = 50


_cards: dict[str, Card] = {}


def register(card: Card) -> None:
    """Offer a card; registering a name again replaces it."""
    _cards[card.name] = card


def cards(roles: frozenset[str]) -> list[Card]:
    """Return the cards for somebody with these roles, in order."""
    chosen = [card for card in _cards.values() if not card.roles or card.roles & roles]
    return sorted(chosen, key=lambda card: (card.order, card.name))
