"""The parser: segments are cut at once, fields when somebody asks for them.

Source of the encoding rules: HL7 v2.8.2 chapter 2, sections 2.5 to 2.7.
"""

import re

from salus.connect.errors import NotHl7, Untranslatable
from salus.connect.hl7v2.delimiters import STANDARD, Delimiters
from salus.connect.hl7v2.escapes import escape, unescape

BOM = "\ufeff"
FRAMING = "\x0b\x1c"
LINE_ENDS = re.compile(r"\r\n|\r|\n")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
LITERAL_END = re.compile(r"\\[rn]\"?[ \t]*(?=\r|\Z)")
DOUBLED = "MSH-2 doubles the escape character: read as one"
SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")


class Segment:
    """One segment, its fields split on first use. Fields are numbered as HL7 numbers them, from 1."""

    __slots__ = ("_fields", "delimiters", "line", "name", "text")

    def __init__(self, name: str, text: str, line: int, delimiters: Delimiters) -> None:
        self.name = name
        self.text = text
        self.line = line
        self.delimiters = delimiters
        self._fields: list[str] | None = None

    @property
    def fields(self) -> list[str]:
        """Return the raw fields so that `fields[3]` is PID-3; `fields[0]` is the segment's name."""
        if self._fields is None:
            fields = self.text.split(self.delimiters.field)
            if self.name in ("MSH", "FHS", "BHS"):
                fields.insert(1, self.delimiters.field)
            self._fields = fields
        return self._fields

    def raw(self, number: int) -> str:
        """Return field `number` as sent, "" when it is absent."""
        fields = self.fields
        return fields[number] if number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """Return the raw repetitions of field `number`; none when it is empty."""
        raw = self.raw(number)
        return raw.split(self.delimiters.repetition) if raw else []

    def get(self, number: int, component: int = 1, subcomponent: int = 1, repetition: int = 0) -> str:
        """Return one value, unescaped; "" when any part of the path is absent."""
        if self.name == "MSH" and number in (1, 2):
            return self.raw(number)
        found = self.repetitions(number)
        if repetition >= len(found):
            return ""
        components = found[repetition].split(self.delimiters.component)
        if component > len(components):
            return ""
        parts = components[component - 1].split(self.delimiters.subcomponent)
        return unescape(parts[subcomponent - 1], self.delimiters) if subcomponent <= len(parts) else ""

    def __repr__(self) -> str:  # the content is a resident's: it does not belong in logs
        return f"<Segment {self.name} line {self.line}>"


class Message:
    """One message: its delimiters, its segments in order, and what was odd about it."""

    __slots__ = ("delimiters", "has_escapes", "segments", "text", "warnings")

    def __init__(
        self, text: str, delimiters: Delimiters, segments: list[Segment], warnings: list[str]
    ) -> None:
        self.text = text
        self.delimiters = delimiters
        self.segments = segments
        self.warnings = warnings
        header = segments[0].text.count(delimiters.escape) if delimiters.escape else 0
        in_header = delimiters.encoding.count(delimiters.escape) if delimiters.escape else 0
        self.has_escapes = bool(delimiters.escape) and (
            header > in_header or text.find(delimiters.escape, len(segments[0].text)) >= 0
        )

    @property
    def header(self) -> Segment:
        """Return MSH."""
        return self.segments[0]

    def all(self, name: str) -> list[Segment]:
        """Return the segments of one name, in order (Z segments too)."""
        return [segment for segment in self.segments if segment.name == name]

    def first(self, name: str) -> Segment | None:
        """Return the first segment of one name."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def get(self, path: str, repetition: int = 0) -> str:
        """Return the value at a path such as "PID-5.1" or "PID-3.4.2", of the first such segment."""
        name, _, rest = path.partition("-")
        numbers = [int(number) for number in rest.split(".")]
        segment = self.first(name)
        if segment is None:
            return ""
        number, component, subcomponent = (*numbers, 1, 1)[:3]
        return segment.get(number, component, subcomponent, repetition)

    def escape(self, text: str) -> str:
        """Return a text as it must be written in this message."""
        return escape(text, self.delimiters)

    @classmethod
    def parse(cls, text: str) -> "Message":
        """Parse one message's text (decoded; any line ending; framing bytes and a BOM are dropped).

        A line that does not begin with a segment's name belongs to the segment before it, as senders that
        put raw line breaks into texts mean it. Raises `NotHl7` when the text does not begin with a usable
        MSH.
        """
        text = text.strip("\r\n\t " + FRAMING + BOM)
        warnings: list[str] = []
        delimiters = declared_delimiters(text, warnings)
        if CONTROL.search(text):
            text = _without_controls(text, delimiters, warnings)
        if "\n" in text:
            text = LINE_ENDS.sub("\r", text)
        if DOUBLED in warnings:  # a program's string literal: its line ends are left over too
            text = LITERAL_END.sub("", text)
        separator = delimiters.field
        segments: list[Segment] = []
        for number, line in enumerate(text.split("\r"), 1):
            name = line[:3]
            if (len(line) == 3 or line[3:4] == separator) and SEGMENT_NAME.match(name):
                segments.append(Segment(name, line, number, delimiters))
                continue
            stripped = line.lstrip()
            name = stripped[:3]
            if (len(stripped) == 3 or stripped[3:4] == separator) and SEGMENT_NAME.match(name):
                segments.append(Segment(name, stripped, number, delimiters))
            elif stripped and not _is_noise(stripped):
                previous = segments[-1]
                segments[-1] = Segment(previous.name, f"{previous.text}\n{line}", previous.line, delimiters)
                warnings.append(f"line {number} begins with no segment name: read as part of {previous.name}")
        return cls(text, delimiters, segments, warnings)


def declared_delimiters(text: str, warnings: list[str]) -> Delimiters:
    """Read MSH-1 and MSH-2.

    A doubled escape character (`^~\\\\&`, left by a program's string literal) is read as one. Missing
    encoding characters take their usual values. Raises `NotHl7`.
    """
    if not text.startswith("MSH") or len(text) < 5:
        raise NotHl7("not-hl7", "the message does not begin with an MSH segment", where="byte 0")
    separator = text[3]
    if separator.isalnum() or separator.isspace():
        raise NotHl7("not-hl7", "MSH-1 is not a field separator", where="MSH-1")
    end = text.find(separator, 4)
    encoding = text[4:end] if end >= 0 else re.split(r"[\r\n]", text[4:], maxsplit=1)[0]
    if len(encoding) > 6 or any(character.isalnum() or character.isspace() for character in encoding):
        raise NotHl7("not-hl7", "MSH-2 does not hold encoding characters", where="MSH-2")
    if len(encoding) == 5 and encoding[2] == encoding[3]:
        encoding = encoding[:3] + encoding[4:]
        warnings.append(DOUBLED)
    if len(encoding) < 4:
        warnings.append("MSH-2 holds fewer than four encoding characters: the usual ones stand in")
        usual = [c for c in STANDARD.encoding if c not in encoding and c != separator]
        encoding = encoding + "".join(STANDARD.encoding[i] for i in range(len(encoding), 4))
        if len(set(encoding[:4])) < 4:
            encoding = (encoding[:1] + "".join(usual) + "^~\\&")[:4]
    delimiters = Delimiters(separator, encoding[0], encoding[1], encoding[2], encoding[3], encoding[4:5])
    if len({separator, *encoding[:4]}) < 5:
        raise NotHl7("not-hl7", "MSH-1 and MSH-2 name the same character twice", where="MSH-2")
    return delimiters


def _without_controls(text: str, delimiters: Delimiters, warnings: list[str]) -> str:
    kept = {delimiters.field, *delimiters.encoding}
    cleaned = CONTROL.sub(lambda found: found.group() if found.group() in kept else "", text)
    if cleaned != text:
        warnings.append("control characters were dropped")
    return cleaned


def _is_noise(line: str) -> bool:
    return not line.strip("\\rn\"' \t\x1a")


def require(message: Message, name: str) -> Segment:
    """Return the first segment of a name; raises `Untranslatable` when there is none."""
    segment = message.first(name)
    if segment is None:
        raise Untranslatable("missing-segment", f"the message has no {name} segment", where=name)
    return segment
