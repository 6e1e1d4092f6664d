"""Subscriptions by REST hook: a source system is told of each change that meets its criteria.

Source: http://hl7.org/fhir/R4/subscription.html.
"""
