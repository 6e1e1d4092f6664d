"""Which pages there are, who sees them in the side navigation, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

GROUPS: dict[str, Text] = {
    "home": _("Home"),
    "residents": _("Residents"),
    "care": _("Care"),
    "insurance": _("Insurance"),
    "prevention": _("Prevention"),
    "rescue": _("Rescue"),
    "supervision": _("Supervision"),
    "voice": _("Residents' voice"),
    "plan": _("Plan"),
    "messages": _("Messages and sources"),
    "administration": _("Administration"),
}
"""The groups of the side navigation, in the order in which they stand."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that a room offers in the side navigation.

    `roles` are values of `kernel.models.Role`; an empty set means everybody who is signed in. `icon`
    is a name of `web.icons`. Pages of a group stand in `order`, then by name. `arguments` are those of the
    address, where it has any.
    """

    name: str
    title: Text
    url_name: str
    roles: frozenset[str] = frozenset()
    group: str = "home"
    icon: str = "page"
    order: int = 50
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A page as one reader sees it."""

    page: Page
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A heading of the side navigation with the links under it."""

    name: str
    title: Text
    links: tuple[Link, ...]


_pages: dict[str, Page] = {}


def register(page: Page) -> None:
    """Offer a page; registering a name again replaces the page.

    Raises:
        ValueError: the group is none of `GROUPS`.
    """
    if page.group not in GROUPS:
        raise ValueError(f"{page.group} is no navigation group; one of {', '.join(GROUPS)}")
    _pages[page.name] = page


def withdraw(name: str) -> None:
    """Take a page back."""
    _pages.pop(name, None)


def pages() -> list[Page]:
    """Return every registered page in the order of the navigation."""
    groups = list(GROUPS)
    return sorted(_pages.values(), key=lambda page: (groups.index(page.group), page.order, page.name))


def visible(roles: Iterable[str]) -> list[Page]:
    """Return the pages that somebody with these roles may open."""
    held = frozenset(roles)
    return [page for page in pages() if not page.roles or page.roles & held]


def groups(roles: Iterable[str], path: str) -> list[Group]:
    """Return the navigation for somebody with these roles who stands at `path`."""
    found: dict[str, list[tuple[Page, str]]] = {}
    for page in visible(roles):
        try:
            url = reverse(page.url_name, args=page.arguments)
        except NoReverseMatch:  # a room may be switched off: its pages then have no address
            continue
        found.setdefault(page.group, []).append((page, url))
    urls = (url for links in found.values() for _page, url in links)
    best = max((url for url in urls if _within(path, url)), key=len, default="")
    return [
        Group(name, GROUPS[name], tuple(Link(page, url, url == best) for page, url in links))
        for name, links in found.items()
    ]


def _within(path: str, url: str) -> bool:
    """Tell whether the path is the page's own or under it; all lie under Home, so Home is exact."""
    return path == url or (url != "/" and path.startswith(url.rstrip("/") + "/"))


def current(path: str) -> Page | None:
    """Return the registered page whose address begins `path` longest, or None."""
    best: tuple[int, Page] | None = None
    for page in pages():
        try:
            url = reverse(page.url_name, args=page.arguments)
        except NoReverseMatch:
            continue
        if _within(path, url) and (best is None or len(url) > best[0]):
            best = (len(url), page)
    return best[1] if best else None
