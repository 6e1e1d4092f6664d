"""Salus: the platform a city's health commission runs. One resident record, the city's systems, one plan."""

__version__ = "0.1.0"
