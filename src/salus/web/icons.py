"""Line icons on a 24-unit grid, drawn for Salus and written into the page, so no request fetches them."""

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

_PATHS = {
    "page": "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
    "home": "M4 11l8-7 8 7v9H4zM10 20v-6h4v6",
    "person": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 3.5-6 8-6s8 2 8 6",
    "people": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.5 3-5.5 6.5-5.5s6.5 2 6.5 5.5"
    "M16 4.5a3.5 3.5 0 0 1 0 6.3M18 15c2.2.7 3.5 2.4 3.5 5",
    "search": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L21 21",
    "bell": "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
    "shield": "M12 3l8 3v6c0 4.5-3.2 7.6-8 9-4.8-1.4-8-4.5-8-9V6zM8.5 12l2.5 2.5 4.5-5",
    "heart": "M3 12h4l2.5-6 4 12 2.5-6h5",
    "flow": "M3 7h13M12 3l4 4-4 4M21 17H8M12 13l-4 4 4 4",
    "inbox": "M4 13l3-9h10l3 9v7H4zM4 13h5a3 3 0 0 0 6 0h5",
    "link": "M10 14a4 4 0 0 1 0-5.7l3-3a4 4 0 0 1 5.7 5.7l-1.7 1.7"
    "M14 10a4 4 0 0 1 0 5.7l-3 3A4 4 0 0 1 5.3 13L7 11.3",
    "building": "M5 21V4h10v17M15 9h4v12M3 21h18M8.5 8h3M8.5 12h3M8.5 16h3",
    "settings": "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z"
    "M9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
    "chart": "M4 4v16h16M8 16v-4M12 16V8M16 16v-6",
    "map": "M9 4L3 6.5V20l6-2.5 6 2.5 6-2.5V4l-6 2.5zM9 4v13.5M15 6.5V20",
    "clock": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3.5 2",
    "download": "M12 4v11M7 11l5 5 5-5M4 20h16",
    "upload": "M12 16V5M7 9l5-5 5 5M4 20h16",
    "check": "M4 12.5l5 5L20 6.5",
    "cross": "M6 6l12 12M18 6L6 18",
    "warning": "M12 4l9.5 16.5h-19zM12 10v5M12 17.8v.4",
    "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v6M12 7.3v.4",
    "menu": "M4 6h16M4 12h16M4 18h16",
    "down": "M6 9l6 6 6-6",
    "up": "M6 15l6-6 6 6",
    "left": "M15 5l-7 7 7 7",
    "right": "M9 5l7 7-7 7",
    "sort": "M8 4v16M5 7l3-3 3 3M16 20V4M13 17l3 3 3-3",
    "language": "M3 6h10M8 4v2c0 5-2 8-5 9.5M5.5 9.5c1 2.5 3.5 4.5 6 5.5M12 21l4.5-11L21 21M13.6 17h5.8",
    "theme": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 3v18M12 7l6.5-.5M12 12h9M12 17h6.8",
    "leave": "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
    "key": "M8 15a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 11h9v3M17 11v3",
    "edit": "M4 20l1-5L16 4l4 4L9 19zM13.5 6.5l4 4",
    "undo": "M9 5L4 10l5 5M4 10h10a6 6 0 0 1 0 12h-3",
    "filter": "M3 5h18l-7 8v6l-4 2v-8z",
    "columns": "M4 4h16v16H4zM9.3 4v16M14.7 4v16",
    "print": "M7 9V3h10v6M7 18H4V9h16v9h-3M7 14h10v7H7z",
    "pill": "M5 12l7-7a5 5 0 0 1 7 7l-7 7a5 5 0 0 1-7-7zM8.5 8.5l7 7",
    "syringe": "M3 21l4-4M6 14l8-8 4 4-8 8H6zM13 3l8 8M10 10l2 2M17 7l3-3",
    "lab": "M9 3h6M10 3v6l-5.5 9.5A1.7 1.7 0 0 0 6 21h12a1.7 1.7 0 0 0 1.5-2.5L14 9V3M7.5 15h9",
}


def icon(name: str) -> SafeString:
    """Return the icon as inline SVG, hidden from screen readers: the text beside it says the same.

    Raises:
        KeyError: there is no icon of that name.
    """
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{}"/></svg>',
        mark_safe(_PATHS[name]),  # noqa: S308 - a constant of this module
    )


def names() -> list[str]:
    """Return the names of all icons."""
    return sorted(_PATHS)
