"""Write docs/tables.md from the library of ViewDefinitions.

python tools/tables_page.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from salus.record.views import library  # noqa: E402 - the checkout's own code, found just above

PAGE = ROOT / "docs/tables.md"
_HEAD = """# The tables of the lake

For the analyst and the engineer who reads the lake. Each table is one official SQL-on-FHIR v2 ViewDefinition
in `src/salus/record/views/library/`; this page is written from them by `python tools/tables_page.py`.

Ids are the record's own: tables join on columns of the same name (`patient_id`, `encounter_id` …). A column
is null where the sender said nothing. Codes stand in their own column a system (`icd10_code`,
`icd9cm3_code`, `loinc_code`, `atc_code`), beside the first code of any system and the sender's words. A
patient is a record of one source system; linkage says which of them are one resident.

In Python: `from salus.record.views import library`; `library.names()`, `library.view("encounter")`.
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD, "| table | a row is | columns |\n|---|---|---|"]
    for name in library.names():
        view = library.view(name)
        row = view["description"].split(". ")[0].rstrip(".").removeprefix("One row ")
        parts.append(f"| [{name}](#{name}) | {row} | {len(list(library.columns(view)))} |")
    for name in library.names():
        view = library.view(name)
        parts.append(f"\n## {name}\n\n{view['description']} From {view['resource']}.\n")
        parts.append("| column | type | is |\n|---|---|---|")
        for column in library.columns(view):
            words = column["description"].replace("|", "\\|")
            parts.append(f"| `{column['name']}` | {column['type']} | {words} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
