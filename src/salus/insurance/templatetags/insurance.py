"""Filters of the insurance's pages: money, and the names of schemes."""

from django import template

from salus.insurance.models import Scheme
from salus.kernel.money import format_yuan

register = template.Library()


@register.filter
def yuan(fen: int) -> str:
    """Write fen as yuan."""
    return format_yuan(fen)


@register.filter
def scheme_name(scheme: str) -> str:
    """Write a scheme in the reader's language."""
    return str(Scheme(scheme).label) if scheme in Scheme.values else scheme
