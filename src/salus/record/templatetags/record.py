"""Template filters of the record: plain words for what FHIR says in codes."""

from django import template

from salus.record import words

register = template.Library()
register.filter("type_title", words.type_title)
