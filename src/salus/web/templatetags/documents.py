"""The tag that says where in a document's template a table, chart or figures stand."""

from django import template

register = template.Library()


@register.simple_tag
def place(key: str) -> str:
    """Put the part of this name here, on a line of its own."""
    return f"\n\ue001{key}\n"
