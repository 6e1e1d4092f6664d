"""Every resident's record: resource store, identity, registers of persons, FHIR API."""
