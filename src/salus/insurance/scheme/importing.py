"""Import of a scheme from whatever it was published as: a folder, a workbook or MS-DRG definition tables."""

from pathlib import Path

from salus.insurance.scheme.model import BadScheme, Scheme
from salus.insurance.scheme.published import About, import_published

__all__ = ["About", "import_scheme"]


def import_scheme(source: str | Path, about: About, *, base: str | Path | None = None) -> Scheme:
    """Read a published scheme, whichever layout it has; raises `BadScheme` or `BadPredicate`."""
    path = Path(source)
    if path.is_dir():
        return import_published(path, about, base=base)
    if not path.exists():
        raise BadScheme("scheme-folder", "there is no such file or folder", where=str(source))
    if path.suffix == ".xlsx":
        from salus.insurance.scheme.workbook import import_workbook

        return import_workbook(path, about, base=base)
    if path.name.endswith((".json", ".json.xz")):
        from salus.insurance.scheme.msdrg import import_msdrg

        return import_msdrg(path, about)
    raise BadScheme(
        "scheme-folder", "this is no layout that can be imported", where=path.name,
        fix="Give a folder of tables, an .xlsx workbook, or .json definition tables of MS-DRG.",
    )  # fmt: skip
