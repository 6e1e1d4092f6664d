"""The face that documents are set in: one that has both Latin and Chinese characters."""

from functools import lru_cache
from pathlib import Path

import typst
from django.conf import settings

from salus.kernel.errors import SalusError

FAMILIES = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Noto Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
)
"""Looked for in this order, in the city's folder of documents and in the system."""


def city_folder() -> Path:
    """Return where a city keeps its own templates, page layouts and fonts."""
    return Path(settings.DATA_DIR) / "documents"


@lru_cache(maxsize=1)
def available() -> "typst.Fonts":
    """Return the fonts of the city's folder, of the system, and those that come with the typesetter."""
    own = city_folder() / "fonts"
    return typst.Fonts(font_paths=[own] if own.is_dir() else [])


@lru_cache(maxsize=1)
def family() -> str:
    """Return the family with Chinese characters to set documents in, or an empty text when there is none."""
    there = set(available().families())
    return next((name for name in FAMILIES if name in there), "")


def needs_chinese(text: str) -> bool:
    """Tell whether a text has Chinese characters, which a Latin face would show as empty boxes."""
    return any("\u3400" <= character <= "\u9fff" or "\U00020000" <= character for character in text)


def chosen(text: str) -> str:
    """Return the family to set `text` in.

    Raises:
        SalusError: the text has Chinese characters and there is no face for them; a document of empty boxes
            must not leave the house.
    """
    found = family()
    if not found and needs_chinese(text):
        raise SalusError(
            "document-font",
            "there is no font with Chinese characters on this machine",
            fix="Install fonts-noto-cjk, or put a font file into documents/fonts of the data folder",
        )
    return found or "Libertinus Serif"
