"""Registers of persons: births, deaths with cause, residence, household registration, social status.

They are projections of the record: `projecting.catch_up` follows the change feed, and `queries` answers
in persons, counted once however many sources report them.
"""
