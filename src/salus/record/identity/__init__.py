"""The master patient index: which records are of one person, who decided it, and how to take it back.

A *patient* is one source's record of somebody (a FHIR Patient); a *person* is the resident. A patient
is linked to exactly one person by link events that are never erased, only reversed. The engine below
(`engine/`) is pure: it links any table of people, without Django.
"""
