"""Dated, sourced facts of the record room."""
