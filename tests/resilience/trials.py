"""The trials themselves, used short by the tests and whole by the benchmarks."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.postgres import Cluster
from tests.resilience.accounting import Balance, balance, patients_by_identifier, unaudited
from tests.resilience.installation import Installation, end_group
from tests.resilience.senders import FhirSender, MllpSender, patient_of

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
TOKEN = "token-of-the-trial"  # noqa: S105  the name of a file
FAULTS = ("lost", "doubled", "refused", "unbalanced", "unaudited")
Senders = Sequence[MllpSender | FhirSender]


@dataclass
class Outcome:
    """What a trial found: nothing may be lost, doubled or refused for good, and the counts must add up."""

    kills: int = 0
    acknowledged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    unaudited: list[str] = field(default_factory=list)

    def __iadd__(self, other: "Outcome") -> "Outcome":
        """Add another trial's findings to these."""
        self.kills += other.kills
        self.acknowledged += other.acknowledged
        self.reasons += other.reasons
        for name in FAULTS:
            getattr(self, name).extend(getattr(other, name))
        return self

    @property
    def faults(self) -> int:
        """How many promises were broken."""
        return sum(len(getattr(self, name)) for name in FAULTS)


def prepare(one: Installation) -> Installation:
    """Register the trial's sources and keep a bearer token of the one that uses the FHIR API."""
    file = one.folder / "sources.toml"
    file.write_text(SOURCES, encoding="utf-8")
    one.salus("migrate")
    one.salus("connect", "import-sources", str(file))
    (one.folder / TOKEN).write_text(one.salus("connect", "issue-token", "APP").stdout.strip())
    return one


@contextmanager
def sending(one: Installation, name: str, *, mllp: int = 3, fhir: int = 2) -> Iterator[Senders]:
    """Let senders send until the end of the block; each ends with its last message acknowledged."""
    stop = threading.Event()
    token = (one.folder / TOKEN).read_text()
    senders: Senders = [
        *(MllpSender(one.mllp_port, f"{name}m{n}", stop) for n in range(mllp)),
        *(FhirSender(one.url, token, f"{name}f{n}", stop) for n in range(fhir)),
    ]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        stop.set()
        for sender in senders:
            sender.join(timeout=120)
    waiting = [sender.name for sender in senders if sender.is_alive()]
    assert not waiting, f"{waiting} wait for an answer two minutes after the end of the trial"


def wait_for_progress(senders: Senders, messages: int = 5, seconds: float = 120) -> None:
    """Wait until each sender has had some more messages acknowledged."""
    wanted = [(sender, len(sender.sent.acknowledged) + messages) for sender in senders]
    until = time.monotonic() + seconds
    while any(len(sender.sent.acknowledged) < number for sender, number in wanted):
        behind = [
            (sender.name, dict(sender.sent.reasons))
            for sender, n in wanted
            if len(sender.sent.acknowledged) < n
        ]
        assert time.monotonic() < until, f"no progress: {behind}"
        time.sleep(0.05)


def wait_for_refusals(senders: Senders, times: int = 5, seconds: float = 120) -> None:
    """Wait until each sender has been told several times more to try again."""
    wanted = [(sender, sender.sent.again + times) for sender in senders]
    until = time.monotonic() + seconds
    while any(sender.sent.again < number for sender, number in wanted):
        assert time.monotonic() < until, f"not refused: {[s.name for s, n in wanted if s.sent.again < n]}"
        time.sleep(0.05)


def kill_while_sending(one: Installation, kills: int, seed: int, *, longest: float = 1.5) -> Outcome:
    """Kill the server at random while MLLP and FHIR senders go on, then account for every message.

    Two of three kills end all its processes at once, as a power cut does; the others end one of them, which
    the server itself must start again.
    """
    draw = random.Random(seed)
    one.start("--no-worker")
    with sending(one, "k") as senders:
        for number in range(kills):
            wait_for_progress(senders, 1)
            time.sleep(draw.uniform(0, longest))
            if number % 3 == 1:
                os.kill(draw.choice(one.children()), signal.SIGKILL)
                time.sleep(0.1)
                one.wait()
            else:
                one.kill()
                one.start("--no-worker")
        wait_for_progress(senders)
    one.stop()
    missing = recovered(one)
    outcome = account(one, senders, kills)
    outcome.unaudited = missing
    return outcome


def recovered(one: Installation, seconds: float = 120) -> list[str]:
    """Let the worker enter into the chain what a kill left as intents; return what is not there then."""
    if not unaudited(one, "H1"):
        return []
    one.start()
    until = time.monotonic() + seconds
    while (missing := unaudited(one, "H1")) and time.monotonic() < until:
        time.sleep(0.5)
    one.stop()
    return missing


def account(one: Installation, senders: Senders, kills: int = 0) -> Outcome:
    """Compare what the senders were told with what the database holds."""
    outcome = Outcome(kills)
    held, patients = balance(one, "H1"), patients_by_identifier(one)
    for sender in senders:
        told = sender.sent.acknowledged
        outcome.acknowledged += len(told)
        outcome.reasons += sender.sent.reasons
        outcome.refused += sender.sent.refused
        outcome.lost += _lost(sender, told, held, patients)
    outcome.doubled = [
        key for counts in (held.control_ids, patients) for key, times in counts.items() if times > 1
    ]
    outcome.unbalanced = _unbalanced(one)
    return outcome


def _lost(
    sender: MllpSender | FhirSender, told: list[str], held: Balance, patients: Counter[str]
) -> list[str]:
    """Return what a sender was told is stored and is not: the message, or the patient whom it told of."""
    if isinstance(sender, MllpSender):
        return [key for key in told if not held.control_ids[key] or not patients[patient_of(key)]]
    return [key for key in told if not patients[key]]


def _unbalanced(one: Installation) -> list[str]:
    """Return the sources whose counts do not add up or that have dead letters."""
    found = {source: balance(one, source) for source in ("H1", "APP", "FILES")}
    return [f"{source}: {held}" for source, held in found.items() if not held.adds_up or held.dead]


def write_file(path: Path, name: str, patients: int) -> list[str]:
    """Write an NDJSON file of new patients, each with an observation; return their identifiers."""
    keys = [f"{name}-{number}" for number in range(patients)]
    with path.open("w", encoding="utf-8") as file:
        for key in keys:
            patient = {
                "resourceType": "Patient",
                "id": key,
                "identifier": [{"system": "urn:test:mr", "value": key}],
            }
            observation = {
                "resourceType": "Observation",
                "id": f"o-{key}",
                "status": "final",
                "code": {"text": "pulse"},
                "subject": {"reference": f"Patient/{key}"},
            }
            file.write(json.dumps(patient) + "\n" + json.dumps(observation) + "\n")
    return keys


def kill_while_loading(one: Installation, kills: int, seed: int, *, patients: int = 2000) -> Outcome:
    """Kill loads of files at random, then load all the files; account for every line.

    Each kill comes while a file of its own is being taken in: after its first message, before its last.
    """
    draw = random.Random(seed)
    outcome = Outcome(kills)
    folder = one.folder / "files"
    folder.mkdir()
    keys: list[str] = []
    for number in range(kills):
        path = folder / f"{number:03}.ndjson"
        keys += write_file(path, f"file{number}", patients)
        before = _messages(one)
        process = one.begin("load", str(path), "--source", "FILES")
        enough = draw.uniform(0.02, 0.7) * 2 * patients  # the rest may take fewer commits than one look
        while process.poll() is None and _messages(one) - before < enough:
            time.sleep(0.01)
        end_group(process, signal.SIGKILL)
        if _messages(one) - before >= 2 * patients:
            outcome.reasons["the load ended before its kill"] += 1
    one.salus("load", str(folder), "--source", "FILES")
    return account_file(one, keys, outcome)


def account_file(one: Installation, keys: list[str], outcome: Outcome | None = None) -> Outcome:
    """Compare the lines of files that have been loaded to their end with what the database holds."""
    outcome = outcome or Outcome()
    held, found = balance(one, "FILES"), patients_by_identifier(one)
    outcome.acknowledged = len(keys)
    outcome.lost = [key for key in keys if not found[key]]
    outcome.doubled = [key for key, times in found.items() if times > 1]
    if held.stored != 2 * len(keys) or held.dead or not held.adds_up:
        outcome.unbalanced.append(f"{2 * len(keys)} lines: {held}")
    return outcome


def _messages(one: Installation) -> int:
    return int(one.query("select count(*) from connect_message")[0][0])


def audit_is_whole(one: Installation) -> bool:
    """Say whether `salus audit verify` finds nothing."""
    return one.salus("audit", "verify", check=False).returncode == 0


def backup_while_sending(one: Installation, target: Path, name: str = "b") -> Outcome:
    """Back up while senders go on, bring the backup back, and look for what was acknowledged before it.

    The restore itself compares every table's row hash with those taken at the backup.
    """
    outcome = Outcome()
    one.start("--no-worker")
    with sending(one, name) as senders:
        wait_for_progress(senders)
        before = [(sender, list(sender.sent.acknowledged)) for sender in senders]
        one.salus("backup", str(target))
        wait_for_progress(senders)
    one.stop()
    later = sum(len(sender.sent.acknowledged) for sender in senders)
    one.salus("restore", str(target), "--force")
    held, patients = balance(one, "H1"), patients_by_identifier(one)
    for sender, told in before:
        outcome.acknowledged += len(told)
        outcome.lost += _lost(sender, told, held, patients)
    outcome.doubled = [
        key for counts in (held.control_ids, patients) for key, times in counts.items() if times > 1
    ]
    outcome.unbalanced = _unbalanced(one)
    kept = sum(1 for key in patients if key.removeprefix("P").startswith(name))
    assert kept < later, "nothing came in after the backup: it was not made while loading"
    return outcome


def load_while_database_restarts(one: Installation, database: Cluster) -> tuple[Outcome, str]:
    """Restart the database under a load, run the load again; return the account and what the first said."""
    path = one.folder / "through.ndjson"
    keys = write_file(path, "through", 3000)
    log = one.folder / "begun.log"
    process = one.begin("load", str(path), "--source", "FILES")
    while process.poll() is None and _messages(one) < 1000:
        time.sleep(0.01)
    database.stop("immediate")
    database.start()
    process.wait(timeout=120)
    said = log.read_text(errors="replace")
    one.salus("load", str(path), "--source", "FILES")
    return account_file(one, keys), said
