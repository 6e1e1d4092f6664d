"""The parser: delimiters, escapes, line endings, character sets, files of many messages."""

import codecs

import hl7
import pytest

from salus.connect.errors import NotHl7, Untranslatable
from salus.connect.hl7v2 import Message, split_messages, translate
from salus.connect.hl7v2.charsets import decode, lookup
from salus.connect.hl7v2.escapes import escape, unescape
from salus.connect.hl7v2.message import STANDARD, Delimiters
from tests.connect.hl7v2 import samples
from tests.connect.hl7v2.samples import SOURCE, adt, header, message, segment


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b\S\c\R\d\T\e\E\f", "a|b^c~d&e\\f"),
        (r"\H\bold\N\ plain", "bold plain"),
        (r"one\.br\two\.sp2\three\.in+4\four\.sk3\five", "one\ntwo\n\nthreefour   five"),
        (r"\.ce\centred\.fi\\.nf\\.ti-2\x", "\ncentredx"),
        (r"\X41\\X4243\ \XE5BCA0\ ", "ABC 张 "),
        (r"\X0D0A\x", "\nx"),
        (r"\Zlocal\ kept", r"\Zlocal\ kept"),
        (r"\Q\ unknown", r"\Q\ unknown"),
        (r"\X4\ odd", r"\X4\ odd"),
        (r"\XZZ\ no hex", r"\XZZ\ no hex"),
        (r"C:\temp\new", r"C:\temp\new"),
        (r"unclosed \F", r"unclosed \F"),
        (r"share \\server\F\x", r"share \\server|x"),
        ("\\M2442\\" + "F|K\\M2842\\".replace("|", "\\F\\")[:0] + "$3$s\\C2842\\ end", "こん end"),
        (r"\C2842\plain", "plain"),
        (r"\.sp999999\x", "\n" * 200 + "x"),
    ],
)
def test_escape_sequences(written: str, meant: str) -> None:
    assert unescape(written, STANDARD) == meant


def test_the_truncation_character_has_its_own_sequence() -> None:
    delimiters = Delimiters(truncation="#")
    assert unescape(r"\P\1", delimiters) == "#1"
    assert unescape(r"\P\1", STANDARD) == r"\P\1"
    assert escape("#1", delimiters) == r"\P\1"


def test_hexadecimal_is_read_in_the_character_set_of_the_message() -> None:
    assert unescape(r"\XD5C5\ ".strip(), STANDARD, "gb18030") == "张"


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\r\r\n", "\n\r"])
def test_any_line_ending(ending: str) -> None:
    raw = samples.ORU_R01.replace(b"\r", ending.encode())
    assert translate(raw, SOURCE).entries == translate(samples.ORU_R01, SOURCE).entries


def test_a_line_without_a_segment_name_continues_the_one_before() -> None:
    raw = samples.ORU_R01.replace("清 亮".encode(), "清\r\n亮".encode())
    translation = translate(raw, SOURCE)
    texts = [entry.resource.get("valueString") for entry in translation.entries]
    assert "清\n亮" in texts
    assert any("no segment name" in warning for warning in translation.warnings)


def test_a_doubled_escape_character_is_read_as_one() -> None:
    raw = b'MSH|^~\\\\&|A|B|C|D|2024||ADT^A28|1|P|2.5\\r"\r\nPID|||P1^^^H&1.2.3&ISO||Li^Si\\r\r\n'
    translation = translate(raw, SOURCE)
    patient = translation.entries[0].resource
    assert patient["id"] == "H.P1"
    assert patient["name"][0]["given"] == ["Si"]
    assert patient["identifier"][0]["system"] == "urn:oid:1.2.3"


def test_z_segments_are_kept() -> None:
    parsed = Message.parse(samples.ADT_A01.decode())
    assert [one.get(2) for one in parsed.all("ZPI")] == ["kept"]


def test_fewer_encoding_characters_than_the_standard_asks() -> None:
    parsed = Message.parse("MSH|^|A|B|C|D|2024||ADT^A01|1|P|2.1\rPID|||1~2")
    assert parsed.delimiters == STANDARD
    assert parsed.get("PID-3", repetition=1) == "2"


@pytest.mark.parametrize("text", ["", "MSH", "MSH|", "MSHA^~\\&A", "MSH|^~\\^|", "PID|1", "MSH ^~\\& "])
def test_what_is_not_hl7(text: str) -> None:
    with pytest.raises(NotHl7):
        Message.parse(text)


def named(charset: str, name: str = "张^三") -> str:
    more = {"f18": charset} if charset else {}
    return "\r".join([header("ADT^A28", "1", **more), segment("PID", {3: "P1", 5: name})])


@pytest.mark.parametrize(
    ("charset", "codec", "name"),
    [
        ("UNICODE UTF-8", "utf-8", "张^三"),
        ("UTF-8", "utf-8", "张^三"),
        ("GB 18030-2000", "gb18030", "张^㐀三"),
        ("GB 18030", "gb18030", "张^三"),
        ("GBK", "gb18030", "张^镕"),
        ("8859/1", "iso8859-1", "Müller^José"),
        ("8859/2", "iso8859-2", "Łukasz^Żak"),
        ("8859/5", "iso8859-5", "Иванов^Пётр"),
        ("8859/15", "iso8859-15", "Œuvre^Noël"),
        ("BIG-5", "big5hkscs", "張^三"),
        ("KS X 1001", "euc_kr", "김^철수"),
        ("~ISO IR87", "iso2022_jp_2", "山田^太郎"),
        ("", "utf-8", "张^三"),
        ("8859/1~GB 18030-2000", "iso8859-1", "Müller^José"),
        ("ASCII~GB 18030-2000", "gb18030", "张^三"),
    ],
)
def test_declared_character_sets(charset: str, codec: str, name: str) -> None:
    patient = translate(named(charset, name).encode(codec), SOURCE).entries[0].resource
    family, given = name.split("^")
    assert (patient["name"][0]["family"], patient["name"][0]["given"]) == (family, [given])


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_unicode_with_and_without_a_byte_order_mark(codec: str) -> None:
    raw = named("UNICODE UTF-16").encode(codec)
    assert translate(raw, SOURCE).entries[0].resource["name"][0]["text"] == "张三"
    assert translate(next(split_messages(raw)), SOURCE).entries[0].resource["name"][0]["text"] == "张三"


def test_the_source_says_the_character_set_when_the_message_does_not() -> None:
    chinese = SOURCE.__class__("his", "hl7v2", charset="GB 18030")
    assert translate(named("").encode("gb18030"), chinese).entries[0].resource["name"][0]["family"] == "张"


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_declared_ascii_that_is_not(codec: str) -> None:
    translation = translate(named("ASCII").encode(codec), SOURCE)
    assert translation.entries[0].resource["name"][0]["family"] == "张"
    assert any("declares ASCII" in warning for warning in translation.warnings)


def test_bytes_that_fit_nothing_are_refused_with_their_place() -> None:
    with pytest.raises(Untranslatable) as caught:
        decode(b"MSH|^~\\&|A\xff\xffB", "utf-8")
    assert (caught.value.code, caught.value.where) == ("undecodable", "byte 10")


def test_an_unknown_character_set_is_warned_about() -> None:
    translation = translate(named("KLINGON").encode(), SOURCE)
    assert any("MSH-18" in warning for warning in translation.warnings)
    assert lookup("no such thing") is None


def test_a_file_of_many_messages_in_any_wrapping() -> None:
    one, two = adt("A28", samples.PID_SHORT).strip(), samples.ORU_R01.strip()
    expected = [one, two, one]
    for joined in (
        b"\r".join(expected),
        b"\r\n\r\n".join(expected),
        b"\n".join(piece.replace(b"\r", b"\n") for piece in expected),
        b"".join(b"\x0b" + piece + b"\r\x1c\r" for piece in expected),
        b"".join(b"\x0b" + piece + b"\x1c" for piece in expected),
        b"FHS|^~\\&|x\rBHS|^~\\&|y\r" + b"\r".join(expected) + b"\rBTS|3\rFTS|1\r",
        codecs.BOM_UTF8 + b"\r\n" + b"\r\n".join(expected) + b"\r\n\x1a",
    ):
        assert [piece.replace(b"\n", b"\r") for piece in split_messages(joined)] == expected


def test_what_is_no_message_in_a_file_is_yielded_to_be_refused() -> None:
    pieces = list(
        split_messages(b"junk before\r\nMSH|^~\\&|A\rPID|1\r\x1c\rjunk between\x0bMSH|^~\\&|B\r\x1c\rafter")
    )
    assert [piece[:6] for piece in pieces] == [b"junk b", b"MSH|^~", b"junk b", b"MSH|^~", b"after"]
    assert list(split_messages(b"only junk")) == [b"only junk"]
    assert list(split_messages(b" \r\n\x1a")) == []


def test_a_message_of_megabytes() -> None:
    long = "x" * 5_000_000
    raw = message(header("ORU^R01", "1"), samples.PID_SHORT, "OBR|1||F1|A", f"OBX|1|TX|K||{long}||||||F")
    assert len(list(split_messages(raw * 2))) == 2
    observed = translate(raw, SOURCE).entries[-1].resource
    assert len(observed["valueString"]) == len(long)


def test_fields_agree_with_another_parser(shared: object) -> None:
    folder = shared / "record" / "simhospital"  # type: ignore[operator]
    messages = list(split_messages((folder / "messages.out").read_bytes()))
    for raw in messages[::40]:
        ours, theirs = Message.parse(raw.decode()), hl7.parse(raw.decode())
        assert [one.name for one in ours.segments] == [str(one[0]) for one in theirs]
        for mine, other in zip(ours.segments, theirs, strict=True):
            assert [str(field) for field in other][1:] == [
                mine.raw(number) for number in range(1, len(mine.fields))
            ]
