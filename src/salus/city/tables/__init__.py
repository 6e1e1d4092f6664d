"""The lake's tables of a city, written from its facts without a message in between.

The columns are those of the library of views (`salus.record.views.library`); what messages of the same
seed give through the connectors and the views is the same (tests/city/test_tables.py).
"""
