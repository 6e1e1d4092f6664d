"""Bulk Data Access: many resources at once, in files, as of one instant.

Source: HL7 FHIR Bulk Data Access IG 2.0.0 (http://hl7.org/fhir/uv/bulkdata/STU2/export.html).
"""
