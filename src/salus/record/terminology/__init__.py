"""Codes and what they mean: looked up, checked, expanded, compared and translated.

Shipped are the code systems of HL7's required lists (CC0). Others are licensed or grow, so a city loads them
from files (`salus record terminology import`); a *release* is one version of a code system or of a map.
What is not loaded is said to be so, never that a code is wrong.
"""
