"""MLLP: HL7 v2 over a socket. A listener that answers only after the commit, and a sender.

Words: a *frame* is one message between a start byte (0x0B) and the end bytes (0x1C 0x0D). Source: HL7's
"Transport Specification: MLLP, Release 1". No Django here but in `reception`.
"""

from salus.connect.mllp.acknowledgement import Answer, acknowledge
from salus.connect.mllp.framing import Framer
from salus.connect.mllp.sending import Sent, send, send_all
from salus.connect.mllp.server import Frame, Limits, MllpServer, Peer

__all__ = [
    "Answer",
    "Frame",
    "Framer",
    "Limits",
    "MllpServer",
    "Peer",
    "Sent",
    "acknowledge",
    "send",
    "send_all",
]
