"""Simplified Chinese: numbers in groups of three with a comma; days as ISO 8601."""

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
DATE_FORMAT = "Y-m-d"
