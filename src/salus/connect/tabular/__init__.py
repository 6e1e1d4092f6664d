"""Tables of a source (CSV, Excel, a database's rows) become FHIR resources by a TOML mapping.

The language is described for its user in docs/connect.md.
"""
