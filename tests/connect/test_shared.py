"""Files that nobody here wrote: every message stored, or dead for a right reason, and the counts add up."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from salus.connect.files import find_files
from salus.connect.loading import load_file
from salus.connect.models import Message, SourceSystem
from salus.connect.queries import counts_balance, flow
from tests.connect.conftest import BOTH

pytestmark = pytest.mark.django_db(databases=BOTH)


@pytest.mark.parametrize(
    ("folder", "form", "stored", "dead"),
    [
        ("bulk-10", "fhir", 7160, {"not-fhir": 4}),  # the export's log is not FHIR
        ("synthea-r4-bundles", "fhir", 9, {}),
        ("simhospital", "hl7v2", 1013, {"not-hl7": 1}),  # and one YAML file of invalid messages
        ("hl7v2-lfh", "hl7v2", 4, {}),
    ],
)
def test_reference_files(
    shared: Path,
    source: Callable[..., SourceSystem],
    folder: str,
    form: str,
    stored: int,
    dead: dict[str, int],
) -> None:
    system = source("ref", form)
    files, _ = find_files([shared / "record" / folder])
    for path in files:
        assert load_file(system, path).state == "done"
    letters = Message.objects.filter(status="dead")
    assert Counter(letters.values_list("reason_code", flat=True)) == dead
    came = flow(system)
    assert (came.received, came.stored + came.repeated) == (stored + sum(dead.values()), stored)
    assert counts_balance()
