"""FHIR search over the store's index."""

from salus.record.store.searching.parameters import Parameter, search_parameters
from salus.record.store.searching.query import Page, SearchError, SearchQuery
from salus.record.store.searching.run import search

__all__ = ["Page", "Parameter", "SearchError", "SearchQuery", "search", "search_parameters"]
