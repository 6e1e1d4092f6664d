"""How fast messages are received: parsed, written with history and index, linked, audited, committed."""

import os
import tempfile
import time
from pathlib import Path

import orjson

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data"))
_NO_PEER = "no peer program stores, links and audits what it parses; parsers alone are not comparable"


def _fresh() -> None:
    """Set Django up on databases of its own, made new."""
    os.environ["SALUS_DATA_DIR"] = tempfile.mkdtemp(prefix="salus-bench-")
    os.environ["DJANGO_SETTINGS_MODULE"] = "salus.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", database="audit", verbosity=0)


def _timed(code: str, form: str, raws: list[bytes], batch: int) -> float:
    """Return messages a second over all `raws` in batches."""
    from salus.connect.models import SourceSystem
    from salus.connect.services import Incoming, receive

    source = SourceSystem.objects.create(code=code, name=code, format=form)
    receive(source, [Incoming(raws[0])])  # compile validators and extractors before the clock starts
    started = time.perf_counter()
    for start in range(1, len(raws), batch):
        receipts = receive(source, [Incoming(raw) for raw in raws[start : start + batch]])
        if any(receipt.status == "dead" for receipt in receipts):
            raise RuntimeError("a benchmark message became a dead letter")
    return (len(raws) - 1) / (time.perf_counter() - started)


def _patients(count: int) -> list[bytes]:
    """Return NDJSON lines of patients with nine observations each, the same on each run."""
    lines: list[bytes] = []
    for number in range(count // 10):
        patient = {
            "resourceType": "Patient",
            "id": f"p{number}",
            "name": [{"family": f"Family{number % 97}", "given": [f"Given{number % 89}"]}],
            "gender": ("male", "female")[number % 2],
            "birthDate": f"19{number % 90 + 10}-0{number % 9 + 1}-1{number % 9}",
        }
        lines.append(orjson.dumps(patient))
        for item in range(9):
            lines.append(
                orjson.dumps(
                    {
                        "resourceType": "Observation",
                        "id": f"o{number}-{item}",
                        "status": "final",
                        "code": {"coding": [{"system": "http://loinc.org", "code": f"{item}-1"}]},
                        "subject": {"reference": f"Patient/p{number}"},
                        "effectiveDateTime": "2026-03-01T08:00:00+08:00",
                        "valueQuantity": {"value": item + 0.5, "unit": "mmol/L"},
                    }
                )
            )
    return lines


@figure("receive-ndjson", room="connect", unit="resources/s", target=8000, peer="")
def receive_ndjson(quick: bool) -> Measured:
    """FHIR resources received a second in batches of 1,000: stored, indexed, linked, audited."""
    _fresh()
    lines = _patients(4_000 if quick else 20_000)
    values = [_timed(f"ndjson{run}", "fhir", lines, 1000) for run in range(1 if quick else 3)]
    return Measured(values, peer_missing=_NO_PEER)


@figure("receive-hl7v2", room="connect", unit="messages/s", target=1500, peer="")
def receive_hl7v2(quick: bool) -> Measured:
    """HL7 v2 messages received a second in batches of 16 (the reference file of 1,013 messages)."""
    path = SHARED / "record" / "simhospital" / "messages.out"
    if not path.is_file():
        return Measured([], peer_missing=_NO_PEER, note=f"the reference file is not at {path}")
    _fresh()
    from salus.connect.hl7v2 import split_messages

    raws = list(split_messages(path.read_bytes()))
    values = [_timed(f"hl7v2-{run}", "hl7v2", raws, 16) for run in range(1 if quick else 3)]
    return Measured(values, peer_missing=_NO_PEER)
