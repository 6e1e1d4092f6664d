"""The official SQL-on-FHIR v2 tests, and how a result is compared with what they expect."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "record"
FOLDER = SHARED / "sql-on-fhir-v2" / "tests"


def cases() -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Return each test's name, the test, and the resources it runs over."""
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        suite = json.loads(file.read_text("utf-8"))
        found += [(f"{file.stem}: {t['title']}", t, suite["resources"]) for t in suite["tests"]]
    return found


def plain(value: Any) -> Any:
    """Return a value of a result as the tests write it."""
    if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
        return round(float(value), 9)
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows in an order that does not depend on the engine."""
    return sorted(json.dumps({k: plain(v) for k, v in row.items()}, sort_keys=True) for row in rows)
