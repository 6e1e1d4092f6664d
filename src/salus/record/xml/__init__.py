"""FHIR R4 resources written in XML, read into what FHIR's JSON would say. Pure.

    from salus.record.xml.reading import read_xml
    read = read_xml(raw)
    read.resource, read.warnings

`start` tells what a message's first bytes show; `document.UnreadableXml` says what is wrong and at which
line, never the content. Validation is a second step (`salus.record.validate`).
Source: https://hl7.org/fhir/R4/xml.html and https://hl7.org/fhir/R4/json.html.
"""
