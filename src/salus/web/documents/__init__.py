"""Documents: one description, written as PDF and as Word, in either language.

A room describes a document by its parts, or keeps its words in a template that a city can edit, and the kit
sets it: tagged PDF/A with embedded Chinese type, and a Word file with real headings and repeated table heads.
The same description always gives the same bytes.
"""

from salus.web.documents.answers import FORMATS, answer, written
from salus.web.documents.parts import (
    Bullets,
    Chart,
    Document,
    Facts,
    Heading,
    KeyFigure,
    KeyFigures,
    PageBreak,
    Paragraph,
    Part,
    Table,
)
from salus.web.documents.pdf import pdf
from salus.web.documents.templates import from_template
from salus.web.documents.word import docx

__all__ = [
    "FORMATS",
    "Bullets",
    "Chart",
    "Document",
    "Facts",
    "Heading",
    "KeyFigure",
    "KeyFigures",
    "PageBreak",
    "Paragraph",
    "Part",
    "Table",
    "answer",
    "docx",
    "from_template",
    "pdf",
    "written",
]
