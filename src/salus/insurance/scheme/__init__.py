"""Grouping schemes as data: reading, importing, checking, comparing.

A scheme is a folder of tables with `scheme.toml` (`salus.insurance.scheme.folder` says which): categories
(mdc), groups (adrg), their splits by severity (drg), sets of codes, complications with their exclusions,
maps of codes, regional parameters, weights. Rules are written in a small closed language
(`salus.insurance.scheme.predicates`).

    from salus.insurance.scheme import load_scheme, starter_scheme
    scheme = load_scheme("schemes/beijing_2022")
"""

from pathlib import Path

from salus.insurance.scheme.folder import load_scheme
from salus.insurance.scheme.model import Scheme
from salus.insurance.scheme.saving import save_scheme

__all__ = ["STARTER", "Scheme", "load_scheme", "save_scheme", "starter_scheme"]

STARTER = Path(__file__).parent.parent / "rules" / "starter_scheme"
"""The folder of the scheme that Salus ships: compact, for trials and the synthetic city."""


def starter_scheme() -> Scheme:
    """Return the scheme that Salus ships."""
    return load_scheme(STARTER)
