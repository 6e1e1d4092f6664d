"""Say what was done, with a button that undoes it."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils.functional import Promise

LEVEL = 27
"""The message level of an action that can be undone (between success and warning)."""


def offer(request: HttpRequest, text: str | Promise, undo_url: str) -> None:
    """Show `text` on the next page with an Undo button that posts to `undo_url`."""
    messages.add_message(request, LEVEL, str(text), extra_tags=undo_url)
