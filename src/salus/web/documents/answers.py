"""Hand a document to the reader."""

from urllib.parse import quote

from django.http import HttpResponse

from salus.kernel.errors import Invalid
from salus.web.documents.parts import Document
from salus.web.documents.pdf import pdf
from salus.web.documents.word import docx

FORMATS = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def written(document: Document, form: str) -> bytes:
    """Return the document's bytes in a format of `FORMATS`.

    Raises:
        Invalid: there is no such format.
    """
    if form not in FORMATS:
        raise Invalid("document-format", "there is no such format", fix="Ask for pdf or docx")
    return pdf(document) if form == "pdf" else docx(document)


def answer(document: Document, form: str, filename: str) -> HttpResponse:
    """Return the download; `filename` is without its ending and names no resident."""
    made = HttpResponse(written(document, form), content_type=FORMATS[form])
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_ ") else "_" for c in filename)
    made["Content-Disposition"] = (
        f"attachment; filename=\"{plain}.{form}\"; filename*=UTF-8''{quote(f'{filename}.{form}')}"
    )
    made["Cache-Control"] = "no-store"
    return made
