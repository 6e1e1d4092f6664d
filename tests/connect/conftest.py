"""Fixtures of the room's tests: sources, and messages of theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from salus.connect.models import SourceSystem
from salus.kernel import audit

BOTH = ["default", "audit"]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Keys and heads in a folder of this test; the audit thread ends with the test."""
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()
    yield settings.DATA_DIR
    audit.close()


@pytest.fixture
def source(db: None) -> Callable[..., SourceSystem]:
    """Register a source system."""

    def make(code: str = "his", form: str = "fhir", **fields: Any) -> SourceSystem:
        return SourceSystem.objects.create(code=code, name=code, format=form, **fields)

    return make


def patient(local: str = "p1", *, at: str | None = None, **elements: Any) -> bytes:
    """Return a Patient as a source sends it."""
    body: dict[str, Any] = {"resourceType": "Patient", "id": local, **elements}
    if at is not None:
        body["meta"] = {"lastUpdated": at}
    return orjson.dumps(body)


def observation(local: str, patient_id: str, **elements: Any) -> bytes:
    """Return an Observation of a patient as a source sends it."""
    return orjson.dumps(
        {
            "resourceType": "Observation",
            "id": local,
            "status": "final",
            "code": {"text": "test"},
            "subject": {"reference": f"Patient/{patient_id}"},
            **elements,
        }
    )
