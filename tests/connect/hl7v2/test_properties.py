"""What must hold for any message: round trips, any delimiters, and no error but Untranslatable."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from salus.connect.errors import Untranslatable
from salus.connect.hl7v2 import Message, split_messages, translate
from salus.connect.hl7v2.context import local_id
from salus.connect.hl7v2.escapes import escape, unescape
from salus.connect.hl7v2.message import STANDARD
from salus.record.validate import validate
from tests.connect.hl7v2 import samples
from tests.connect.hl7v2.samples import SOURCE

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("|^~\\&\n#"), max_size=60)
MARKS = "|^~\\&!@#$%*+=;:,<>?/{}[]§¤"
QUICK = settings(max_examples=120, deadline=None)


@given(TEXT)
@QUICK
def test_what_is_escaped_comes_back(text: str) -> None:
    written = escape(text, STANDARD)
    assert not set(written) & set("|^~&\r\n")
    assert unescape(written, STANDARD) == text


@given(st.permutations(MARKS), st.sampled_from(sorted(samples.ALL)))
@QUICK
def test_any_delimiters_give_the_same_translation(marks: list[str], name: str) -> None:
    text = samples.ALL[name].decode().replace("\\T\\", "")  # the sequence means whatever the delimiter is
    chosen = [mark for mark in marks if mark == "|" or mark not in text][:5]
    assume(len(chosen) == 5)
    table = str.maketrans("|^~\\&", "".join(chosen))
    expected, found = translate(text.encode(), SOURCE), translate(text.translate(table).encode(), SOURCE)
    assert found.entries == expected.entries


@given(st.binary(max_size=300))
@QUICK
def test_random_bytes_are_refused_or_taken_but_never_an_error(raw: bytes) -> None:
    for piece in (raw, b"MSH|^~\\&|" + raw, *split_messages(raw)):
        try:
            translate(piece, SOURCE)
        except Untranslatable as refusal:
            assert refusal.code
            assert refusal.message


PIECES = st.sampled_from(
    [
        piece.encode()
        for piece in r'| ^ ~ & "" \X \X41\ MSH 99999999999999999999 -1 20209999 NaN 1e400 张 \.sp9\ '.split()
    ]
    + [
        piece.encode()
        for piece in ("\\M2442\\", "\\H\\", "0000", "|" * 30, "\r", "\n", "\x00", "\x0b", "\x1c")
    ]
    + [b"\xff", "张".encode("gb18030")]
)


@given(
    st.sampled_from(sorted(samples.ALL)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), min_size=1, max_size=6),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_message_is_refused_or_still_gives_valid_resources(
    name: str, damages: list[tuple[float, int, bytes]]
) -> None:
    raw = bytearray(samples.ALL[name])
    for place, cut, piece in damages:
        position = int(place * len(raw))
        raw[position : position + cut] = piece
    try:
        translation = translate(bytes(raw), SOURCE)
    except Untranslatable:
        return
    for entry in translation.entries:
        if entry.method != "overlay":
            faults = [issue for issue in validate(entry.resource) if issue.severity == "error"]
            assert not faults, (entry.resource["resourceType"], faults[0].path)


@given(
    st.lists(st.sampled_from(sorted(samples.ALL)), min_size=1, max_size=6),
    st.sampled_from([b"\r", b"\r\n\r\n", b"\x1c\r\x0b"]),
)
@settings(max_examples=60, deadline=None)
def test_splitting_loses_and_invents_nothing(names: list[str], between: bytes) -> None:
    messages = [samples.ALL[name].strip() for name in names]
    assert list(split_messages(between.join(messages))) == messages


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=4),
    st.lists(st.text(max_size=12), min_size=1, max_size=4),
)
@QUICK
def test_local_ids_are_fhir_ids_and_differ(one: list[str], other: list[str]) -> None:
    assert len(local_id(*one)) <= 64
    assert all(c.isascii() and (c.isalnum() or c in "-.") for c in local_id(*one))
    assert (local_id(*one) == local_id(*other)) == (one == other)


@given(st.text(max_size=200))
@QUICK
def test_parsing_any_text_after_a_header(text: str) -> None:
    parsed = Message.parse("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\r" + text)
    for segment in parsed.segments:
        for number in range(1, min(len(segment.fields), 40)):
            segment.get(number, 2, 2, 1)


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_the_same_message_gives_the_same_translation(name: str) -> None:
    assert translate(samples.ALL[name], SOURCE) == translate(samples.ALL[name], SOURCE)
