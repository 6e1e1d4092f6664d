"""The trials themselves, used short by the tests and whole by the benchmarks."""

import json
import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.resilience.accounting import balance, patients_by_identifier
from tests.resilience.installation import Installation, NotReady, end_group
from tests.resilience.senders import FhirSender, MllpSender

SOURCES = """
[[source]]
code = "H1"
name = "一院"
format = "hl7v2"

[[source]]
code = "APP"
name = "电子病历"
format = "fhir"

[[source]]
code = "FILES"
name = "文件"
format = "fhir"
"""


@dataclass
class Outcome:
    """What a trial found: nothing may be lost or doubled, and the counts must add up."""

    kills: int = 0
    acknowledged: int = 0
    again: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Say whether the promise was kept."""
        return not (self.lost or self.doubled or self.refused or self.unbalanced)


def prepare(one: Installation) -> str:
    """Register the trial's sources; return a bearer token of the one that uses the FHIR API."""
    file = one.folder / "sources.toml"
    file.write_text(SOURCES, encoding="utf-8")
    one.salus("connect", "import-sources", str(file))
    return one.salus("connect", "issue-token", "APP").stdout.strip()


def kill_while_sending(one: Installation, kills: int, seed: int, *, pause: tuple[float, float] = (0.3, 2.5)) -> Outcome:
    """Kill the whole server at random while MLLP and FHIR senders go on, then account for every message."""
    draw = random.Random(seed)
    token = prepare(one)
    one.start("--no-worker")
    stop = threading.Event()
    mllp = [MllpSender(one.mllp_port, f"m{n}", stop) for n in range(3)]
    fhir = [FhirSender(one.url, lambda: token, f"f{n}", stop) for n in range(2)]
    for sender in (*mllp, *fhir):
        sender.start()
    for _ in range(kills):
        time.sleep(draw.uniform(*pause))
        one.kill()
        one.start("--no-worker")
    time.sleep(1)
    stop.set()
    for sender in (*mllp, *fhir):
        sender.join(timeout=60)
        assert not sender.is_alive(), "a sender still waits for its answer a minute after the last start"
    one.stop()
    return account(one, mllp, fhir, kills)


def account(one: Installation, mllp: list[MllpSender], fhir: list[FhirSender], kills: int) -> Outcome:
    """Compare what the senders were told with what the database holds."""
    outcome = Outcome(kills)
    held = balance(one, "H1")
    sent = [control_id for sender in mllp for control_id in sender.sent.acknowledged]
    outcome.acknowledged += len(sent)
    outcome.lost += [control_id for control_id in sent if held.control_ids[control_id] == 0]
    outcome.doubled += [control_id for control_id, times in held.control_ids.items() if times > 1]
    patients = patients_by_identifier(one)
    posted = [key for sender in fhir for key in sender.sent.acknowledged]
    outcome.acknowledged += len(posted)
    outcome.lost += [key for key in posted if patients[key] == 0]
    outcome.doubled += [key for key, times in patients.items() if times > 1]
    outcome.again = sum(sender.sent.again for sender in (*mllp, *fhir))
    outcome.refused = [words for sender in (*mllp, *fhir) for words in sender.sent.refused]
    for source in ("H1", "APP", "FILES"):
        held = balance(one, source)
        if held.received != held.stored + held.repeated + held.dead or held.dead:
            outcome.unbalanced.append(f"{source}: {held.received} ≠ {held.stored} + {held.repeated} + {held.dead}")
    return outcome


def write_file(path: Path, patients: int) -> list[str]:
    """Write an NDJSON file of new patients, each with an observation; return their identifiers."""
    keys = [f"file-{number}" for number in range(patients)]
    with path.open("w", encoding="utf-8") as file:
        for key in keys:
            patient = {"resourceType": "Patient", "id": key, "identifier": [{"system": "urn:test:mr", "value": key}]}
            observation = {
                "resourceType": "Observation",
                "id": f"o-{key}",
                "status": "final",
                "code": {"text": "pulse"},
                "subject": {"reference": f"Patient/{key}"},
            }
            file.write(json.dumps(patient) + "\n" + json.dumps(observation) + "\n")
    return keys


def kill_while_loading(one: Installation, kills: int, seed: int, *, patients: int = 4000) -> Outcome:
    """Kill a file load at random, run it again, until it has been through; then account for every line."""
    draw = random.Random(seed)
    prepare(one)
    path = one.folder / "patients.ndjson"
    keys = write_file(path, patients)
    outcome = Outcome(kills)
    for _ in range(kills):
        process = one.begin("load", str(path), "--source", "FILES")
        try:
            process.wait(timeout=draw.uniform(1.5, 5.0))
        except subprocess.TimeoutExpired:
            end_group(process, signal.SIGKILL)
    one.salus("load", str(path), "--source", "FILES")
    held, found = balance(one, "FILES"), patients_by_identifier(one)
    outcome.acknowledged = len(keys)
    outcome.lost = [key for key in keys if found[key] == 0]
    outcome.doubled = [key for key, times in found.items() if times > 1]
    if held.stored != 2 * len(keys) or held.dead or held.received != held.stored + held.repeated:
        outcome.unbalanced.append(f"{held.received} ≠ {held.stored} + {held.repeated} + {held.dead}")
    return outcome


def verify_audit(one: Installation) -> str:
    """Run `salus audit verify`; return what it says, or raise."""
    return one.salus("audit", "verify").stdout


__all__ = ["NotReady", "Outcome", "kill_while_loading", "kill_while_sending", "prepare", "verify_audit", "write_file"]
