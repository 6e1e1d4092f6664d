"""Cutting a stream into frames."""

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.connect.mllp.framing import Framer, frame

LIMIT = 1000


def cut(*chunks: bytes, limit: int = LIMIT) -> list[tuple[str, bytes]]:
    framer = Framer(limit)
    return [(one.kind, one.raw) for chunk in chunks for one in framer.feed(chunk)]


def test_frames_in_any_pieces() -> None:
    stream = frame(b"MSH|one") + frame(b"MSH|two")
    expected = [("frame", b"MSH|one"), ("frame", b"MSH|two")]
    assert cut(stream) == expected
    assert cut(*(stream[i : i + 1] for i in range(len(stream)))) == expected


def test_bytes_between_frames_are_dropped_and_counted() -> None:
    framer = Framer(LIMIT)
    found = framer.feed(b"noise" + frame(b"MSH|one") + b"\r\nmore" + frame(b"MSH|two"))
    assert [one.raw for one in found] == [b"MSH|one", b"MSH|two"]
    assert framer.stray == 5 + 6
    assert framer.stray_head.startswith(b"noise")


def test_an_end_without_its_carriage_return() -> None:
    assert cut(b"\x0bMSH|one\x1c\x0bMSH|two\x1c\r") == [("frame", b"MSH|one"), ("frame", b"MSH|two")]
    assert cut(b"\x0bMSH|one\x1c\nx") == [("frame", b"MSH|one")]
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0bMSH|one\x1c") == []
    assert framer.may_end
    assert [one.raw for one in framer.finish()] == [b"MSH|one"]
    assert not framer.partial


def test_a_new_start_before_the_end_tells_of_an_incomplete_frame() -> None:
    assert cut(b"\x0bMSH|one\r\x0bMSH|two\x1c\r") == [("unclosed", b"MSH|one\r"), ("frame", b"MSH|two")]


def test_control_bytes_inside_a_text_do_not_cut_it() -> None:
    wide = "MSH|\u1c00\u0b00|x".encode("utf-16-le")
    assert cut(frame(wide)) == [("frame", wide)]


def test_oversize_is_reported_once_and_skipped() -> None:
    stream = frame(b"MSH|" + b"x" * 5000) + frame(b"MSH|two")
    found = cut(*(stream[i : i + 700] for i in range(0, len(stream), 700)))
    assert [kind for kind, _ in found] == ["oversize", "frame"]
    assert found[1] == ("frame", b"MSH|two")
    assert cut(stream)[1:] == [("frame", b"MSH|two")]


@given(
    st.lists(st.binary(max_size=40).filter(lambda raw: not set(raw) & {0x0B, 0x1C}), max_size=8),
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
)
@settings(max_examples=150, deadline=None)
def test_any_messages_in_any_pieces(messages: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(frame(message) for message in messages)
    framer, found, position, turn = Framer(LIMIT), [], 0, 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        found += framer.feed(stream[position : position + size])
        position += size
        turn += 1
    assert [one.raw for one in found] == messages
    assert framer.stray == 0


@given(st.lists(st.binary(max_size=80), max_size=10))
@settings(max_examples=150, deadline=None)
def test_any_bytes_keep_memory_bounded(chunks: list[bytes]) -> None:
    framer = Framer(50)
    for chunk in chunks:
        framer.feed(b"\x0b" + chunk)
        assert framer.held <= 50 + 81
