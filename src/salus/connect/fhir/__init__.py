"""FHIR R4 as messages: Bundles, single resources and NDJSON lines become entries with the sender's ids."""
