"""What a sender is told."""

from datetime import UTC, datetime

import hl7
import pytest

from salus.connect.hl7v2 import Message
from salus.connect.mllp.acknowledgement import Answer, acknowledge, refusal

NOW = datetime(2024, 1, 5, 8, 30, tzinfo=UTC)
STORED = Answer("AA")
REFUSED = Answer("AE", "missing-patient", "PID names no patient", "PID-3", "Send PID-3.")


def message(version: str = "2.5", control: str = "77", rest: str = "", marks: str = "|^~\\&") -> bytes:
    separator = marks[0]
    header = f"MSH{marks}|HIS|H01|SALUS|CITY|20240105||ADT^A01|{control}|P|{version}{rest}"
    return (header[:8] + header[8:].replace("|", separator) + "\rPID|1\r").encode()


def answer(raw: bytes, given: Answer = STORED) -> Message:
    reply = acknowledge(raw, given, now=NOW)
    assert reply is not None
    return Message.parse(reply.decode())


def test_acceptance_swaps_the_parties_and_echoes_the_control_id() -> None:
    reply = answer(message())
    head = reply.header
    assert [head.get(number) for number in (3, 4, 5, 6)] == ["SALUS", "CITY", "HIS", "H01"]
    assert [head.get(9, part) for part in (1, 2, 3)] == ["ACK", "A01", "ACK"]
    assert head.get(10)
    assert head.get(11) == "P"
    assert head.get(12) == "2.5"
    assert (reply.get("MSA-1"), reply.get("MSA-2")) == ("AA", "77")
    assert reply.first("ERR") is None


def test_another_parser_reads_it() -> None:
    parsed = hl7.parse((acknowledge(message(), REFUSED, now=NOW) or b"").decode())
    assert str(parsed.segment("MSA")[1]) == "AE"
    assert str(parsed.segment("ERR")[4]) == "E"


def test_a_refusal_says_what_where_and_what_to_do() -> None:
    reply = answer(message(), REFUSED)
    assert reply.get("MSA-1") == "AE"
    assert reply.get("MSA-3") == "PID names no patient - at PID-3 - Send PID-3."
    error = reply.first("ERR")
    assert error is not None
    assert [error.get(2, part) for part in (1, 2, 3)] == ["PID", "1", "3"]
    assert error.get(3) == "101"
    assert error.get(4) == "E"
    assert error.get(5) == "missing-patient"
    assert error.get(8).startswith("PID names no patient")


def test_the_text_stands_where_the_version_has_it() -> None:
    old, new = answer(message("2.3"), REFUSED), answer(message("2.8"), REFUSED)
    assert old.get("MSA-3")
    assert old.get("ERR-1.1") == "PID"
    assert old.get("ERR-1.4.1") == "101"
    assert old.header.get(9, 3) == ""
    assert new.get("MSA-3") == ""
    assert new.get("ERR-8")


def test_what_is_not_hl7_is_refused_as_such() -> None:
    assert refusal("not-hl7", "x").result == "AR"
    assert refusal("unsupported-version", "x").result == "AR"
    assert refusal("unsupported-trigger", "x").result == "AE"
    for raw in (b"", b"hello", b"MSH", b"\xff\xfe\x00", b"MSH|" + b"x" * 9000, b"MSH|^~\\&|\x0b\x1c|"):
        reply = answer(raw, refusal("not-hl7", "the message does not begin with an MSH segment"))
        assert reply.get("MSA-1") == "AR"


@pytest.mark.parametrize(
    ("accept", "application", "stored", "refused"),
    [
        ("", "", "AA", "AE"),
        ("AL", "", "AA", "AE"),
        ("AL", "NE", "CA", "CE"),
        ("AL", "AL", "CA", "CE"),
        ("NE", "AL", "AA", "AE"),
        ("NE", "NE", None, None),
        ("ER", "NE", None, "CE"),
        ("SU", "NE", "CA", None),
        ("NE", "ER", None, "AE"),
        ("NE", "SU", "AA", None),
    ],
)
def test_enhanced_mode(accept: str, application: str, stored: str | None, refused: str | None) -> None:
    raw = message(rest=f"|||{accept}|{application}")
    for given, expected in ((STORED, stored), (REFUSED, refused)):
        reply = acknowledge(raw, given)
        assert (Message.parse(reply.decode()).get("MSA-1") if reply else None) == expected


def test_the_senders_delimiters_and_character_set() -> None:
    raw = b"MSH$!@%*$\xd5\xc5$H01$S$C$2024$$ADT!A01$5$P$2.5$$$$$CHN$GB 18030-2000"
    reply = acknowledge(raw, Answer("AE", "x", "a $ and a %"), now=NOW) or b""
    assert reply.startswith(b"MSH$!@%*$S$C$\xd5\xc5$H01$")
    assert b"$CHN$GB 18030-2000\r" in reply
    assert b"a %F% and a %E%" in reply


def test_utf_16_is_answered_in_utf_16() -> None:
    reply = acknowledge(message().decode().encode("utf-16"), STORED, now=NOW) or b""
    assert Message.parse(reply.decode("utf-16")).get("MSA-2") == "77"


def test_a_header_cannot_smuggle_a_segment_into_the_answer() -> None:
    reply = acknowledge(message(control="1\x0bMSA|AA|2\x1c"), REFUSED, now=NOW) or b""
    assert b"\x0b" not in reply
    assert b"\x1c" not in reply
    assert reply.count(b"\rMSA|") == 1
