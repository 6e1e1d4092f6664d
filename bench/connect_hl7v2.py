"""HL7 v2: how fast messages become resources, and how fast a listener takes them for good."""

import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
MODULE = [sys.executable, "-m", "bench.connect_hl7v2"]
CONNECTIONS = 16
RUNS, QUICK_RUNS = 5, 2
MESSAGES, QUICK_MESSAGES = 8_000, 1_500
SECONDS, QUICK_SECONDS = 4.0, 1.5
WARM_UP = 300


def typical(seed: int = 7, count: int = 1_000) -> list[bytes]:
    """Return messages as hospitals send them: SimHospital's if they are there, else made ones."""
    folder = Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    file = folder / "record" / "simhospital" / "messages.out"
    if file.is_file():
        from salus.connect.hl7v2 import split_messages

        return list(split_messages(file.read_bytes()))
    chance = random.Random(seed)
    made = []
    for number in range(count):
        who = chance.randrange(10**9)
        pid = f"PID|1||{who}^^^HOSP^MR||FAMILY{who % 97}^GIVEN||19800101|F|||1 ROAD"
        head = f"MSH|^~\\&|HIS|H01|SALUS|CITY|20240106080000||%s|{number}|P|2.5"
        pid = f"PID|1||{who}^^^HOSP^MR||FAMILY{who % 97}^GIVEN||19800101|F|||1 ROAD"
        visit = f"V{who}{'|' * 25}20240105081500"
        pv1 = f"PV1|1|I|5A^501^02^H01||||D1^DOC^TOR|||CAR|||||||||{visit}"
        if chance.random() < 0.4:
            made.append("\r".join([head % "ADT^A01", "EVN|A01|20240106080000", pid, pv1]).encode())
            continue
        lines = [
            f"OBX|{i}|NM|T{i}^Test {i}^LAB||{chance.random() * 9:.2f}|mmol/L|1 - 8|N|||F" for i in range(1, 6)
        ]
        orders = [
            f"ORC|RE|P{number}|F{number}",
            f"OBR|1|P{number}|F{number}|PANEL^Panel^LAB|||20240106{'|' * 18}F",
        ]
        made.append("\r".join([head % "ORU^R01", pid, pv1, *orders, *lines]).encode())
    return made


@figure("hl7v2-translate", room="connect", unit="messages/s", target=4_000, peer="hl7 (parse only)")
def hl7v2_translate(quick: bool) -> Measured:
    """HL7 v2 messages parsed and translated to FHIR a second, one process."""
    import hl7  # type: ignore[import-untyped]  # the peer has no types

    from salus.connect.hl7v2 import translate
    from salus.connect.translation import SourceProfile

    source = SourceProfile("bench", "hl7v2")
    messages = typical()
    texts = [message.decode() for message in messages]
    for message in messages[:WARM_UP]:
        translate(message, source)
    values, peers, medians = [], [], []
    for _ in range(QUICK_RUNS if quick else RUNS):
        times = []
        for message in messages:
            begun = time.perf_counter()
            translate(message, source)
            times.append(time.perf_counter() - begun)
        values.append(len(messages) / sum(times))
        medians.append(statistics.median(times))
        begun = time.perf_counter()
        for text in texts:
            hl7.parse(text)
        peers.append(len(texts) / (time.perf_counter() - begun))
    note = f"median {statistics.median(medians) * 1e6:.0f} µs a message; the peer only splits into fields"
    return Measured(values, peers, note=note)


@figure(
    "mllp-throughput",
    room="connect",
    unit="messages/s",
    target=1_000,
    peer="Mirth Connect, HAPI HL7 over HTTP",
)
def mllp_throughput(quick: bool) -> Measured:
    """HL7 v2 messages a second over MLLP, each acknowledged after its commit, 16 connections."""
    values, notes = [], []
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder}
        environment.pop("DATABASE_URL", None)
        subprocess.run([*MODULE, "prepare"], env=environment, check=True, cwd=ROOT)
        command = [sys.executable, "-m", "salus.cli", "connect", "listen", "--port", "0", "--source", "bench"]
        listener = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        try:
            port = _port(listener)
            count = QUICK_MESSAGES if quick else MESSAGES
            for run in range(QUICK_RUNS if quick else RUNS):
                size = WARM_UP if run == 0 else count
                order = [*MODULE, "send", str(port), str(size), str(run)]
                said = subprocess.run(
                    order, env=environment, check=True, stdout=subprocess.PIPE, cwd=ROOT
                ).stdout
                result = orjson.loads(said)
                if run:  # the first warms up
                    values.append(result["rate"])
                    notes.append(result["median_ms"])
        finally:
            listener.send_signal(signal.SIGTERM)
            listener.wait(timeout=30)
    note = f"{CONNECTIONS} connections, median answer after {statistics.median(notes):.1f} ms"
    return Measured(values, peer_missing="they are Java servers that no Python index gives", note=note)


def _port(listener: subprocess.Popen[str]) -> int:
    for line in listener.stderr or ():
        found = re.search(r"listening on .*:(\d+)", line)
        if found:
            return int(found.group(1))
    raise RuntimeError("the listener did not start")


def prepare() -> None:
    """Make the databases and register the source."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    from salus.composition import installation

    installation.ensure()
    from salus.connect.models import SourceSystem

    SourceSystem.objects.get_or_create(code="bench", defaults={"name": "bench", "format": "hl7v2"})


def send(port: int, count: int, run: int) -> None:
    """Send messages with control ids never used before and print the rate; all must be accepted."""
    from salus.connect.mllp import send as deliver

    seeds = typical()
    messages = [_numbered(seeds[number % len(seeds)], f"{run}-{number}") for number in range(count)]
    sent = deliver(messages, "127.0.0.1", port, connections=CONNECTIONS)
    if sent.accepted != count:
        raise RuntimeError(
            f"{count - sent.accepted} of {count} messages were not accepted: {dict(sent.codes)}"
        )
    median = statistics.median(sent.latencies) * 1000
    sys.stdout.write(orjson.dumps({"rate": count / sent.seconds, "median_ms": median}).decode())


def _numbered(message: bytes, control: str) -> bytes:
    head, separator, rest = message.partition(b"\r")
    fields = head.split(b"|")
    fields[9] = control.encode()
    # orders of their own, so that results are new resources and not corrections of earlier ones
    rest = re.sub(
        rb"\r(ORC\|\w*|OBR\|\d*)\|(\w*)\|(\w*)", rb"\r\1|\2x" + fields[9] + rb"|\3x" + fields[9], b"\r" + rest
    )
    return b"|".join(fields) + rest


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare()
    else:
        send(*(int(argument) for argument in sys.argv[2:5]))
