"""HL7 v2 messages: read whatever a hospital sends, keep every byte, make FHIR R4 resources of it.

Words: a *message* is segments; a *segment* is one line, fields split by the separator that MSH-1 names;
a *field* repeats; a repetition has components and subcomponents. A *trigger* is the event that made the
sender speak (A01 admit, R01 result). Pure: no Django, no I/O, usable alone.
"""

from salus.connect.hl7v2.message import Message, Segment
from salus.connect.hl7v2.splitting import split_messages
from salus.connect.hl7v2.translator import translate

__all__ = ["Message", "Segment", "split_messages", "translate"]
