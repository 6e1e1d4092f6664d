"""Copies of the lake for studies: pseudonyms, shifted dates, no identifiers, no one alone in a group.

For the epidemiologist and the planner. A study (project) has a key of its own: the same person has the same
pseudonym in all of a study's tables and copies, and another in every other study. Residents who refuse
research, and resources of sensitive categories, are left out.
"""
