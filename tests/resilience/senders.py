"""Senders that keep on sending a message until it is acknowledged, as real systems do."""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass, field

START, END = b"\x0b", b"\x1c\x0d"


@dataclass
class Sent:
    """What was acknowledged, how often something was sent again and why, and what was refused for good."""

    acknowledged: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    @property
    def again(self) -> int:
        """How often something was sent again."""
        return self.reasons.total()


def admission(control_id: str, patient: str, at: str) -> bytes:
    """Return an ADT^A01 with its own control id for a patient of its own number."""
    segments = (
        f"MSH|^~\\&|HIS|H1|SALUS|CITY|{at}||ADT^A01|{control_id}|P|2.5|||||CHN|UNICODE UTF-8",
        f"EVN|A01|{at}",
        f"PID|1||{patient}^^^H1^MR||王^{patient}||19800101|M|||||{patient}",
        f"PV1|1|I|W1^1^1^H1||||D1^李^医生||||||||||||V{patient}|||||||||||||||||||||||||{at}",
    )
    return "\r".join(segments).encode() + b"\r"


def patient_of(control_id: str) -> str:
    """Return the number of the patient whom a message admits."""
    return f"P{control_id}"


class MllpSender(threading.Thread):
    """Sends admissions over MLLP, one after another, until `stop`; each until acknowledged."""

    def __init__(self, port: int, name: str, stop: threading.Event, pause: float = 0.002) -> None:
        super().__init__(name=name, daemon=True)
        self.port, self.stop, self.pause = port, stop, pause
        self.sent = Sent()

    def run(self) -> None:
        connection: socket.socket | None = None
        number = 0
        while not self.stop.is_set():
            number += 1
            control_id = f"{self.name}-{number}"
            message = admission(control_id, patient_of(control_id), "20260101120000")
            while True:
                try:
                    if connection is None:
                        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
                    connection.sendall(START + message + END)
                    answer = read_frame(connection)
                except OSError as broken:
                    if connection is not None:
                        connection.close()
                    connection = None
                    self.sent.reasons[type(broken).__name__] += 1
                    time.sleep(0.1)
                    continue
                code = acknowledgement(answer, control_id)
                if code == "AA":
                    self.sent.acknowledged.append(control_id)
                    break
                words = answer.decode(errors="replace")
                if code == "AR":
                    self.sent.refused.append(words)
                    break
                self.sent.reasons[words[words.find("ERR|") :][:200]] += 1
                time.sleep(0.1)
            time.sleep(self.pause)
        if connection is not None:
            connection.close()


def read_frame(connection: socket.socket) -> bytes:
    """Read one MLLP frame; raises `OSError` when the connection ends first."""
    received = b""
    while not received.endswith(END):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError("the connection ended before the answer")
        received += chunk
    return received[1:-2]


def acknowledgement(answer: bytes, control_id: str) -> str:
    """Return MSA-1 of an acknowledgement of this message; raises `OSError` for another message's."""
    for segment in answer.split(b"\r"):
        fields = segment.split(b"|")
        if fields[0] == b"MSA":
            if fields[2].decode() != control_id:
                raise ConnectionResetError("an acknowledgement of another message")
            return fields[1].decode()
    raise ConnectionResetError("an answer without MSA")


class FhirSender(threading.Thread):
    """Posts transaction Bundles until `stop`; each, byte for byte the same, until answered 2xx."""

    def __init__(self, url: str, token: str, name: str, stop: threading.Event, pause: float = 0.005) -> None:
        super().__init__(name=name, daemon=True)
        self.url, self.token, self.stop, self.pause = url, token, stop, pause
        self.sent = Sent()

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            key = f"{self.name}-{number}"
            body = json.dumps(bundle(key)).encode()
            while True:
                try:
                    status, promised, answer = post(self.url, body, self.token)
                except OSError as broken:
                    self.sent.reasons[type(broken).__name__] += 1
                    time.sleep(0.1)
                    continue
                if status < 300:
                    self.sent.acknowledged.append(key)
                    break
                if status not in {429, 503} or not promised:
                    self.sent.refused.append(f"{key}: HTTP {status} {answer}")
                    break
                self.sent.reasons[f"HTTP {status} {answer}"] += 1
                time.sleep(0.1)
            time.sleep(self.pause)


def post(url: str, body: bytes, token: str) -> tuple[int, bool, str]:
    """Post a Bundle; return the status, whether Retry-After came with it, and the words of a refusal.

    Raises `OSError` when no whole answer came.
    """
    headers = {"Content-Type": "application/fhir+json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            response.read()
            return int(response.status), False, ""
    except urllib.error.HTTPError as refused:
        with refused:
            words = refused.read(300).decode(errors="replace")
        return refused.code, "Retry-After" in refused.headers, words
    except urllib.error.URLError as unreachable:
        raise OSError(str(unreachable.reason)) from unreachable
    except http.client.HTTPException as cut:
        raise ConnectionResetError("the answer was cut off") from cut


def bundle(key: str) -> dict[str, object]:
    """Return a transaction of a patient and an observation about him, both new."""
    full_url = uuid.uuid5(uuid.NAMESPACE_URL, key).urn
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:test:mr", "value": key}],
        "name": [{"family": "陈", "given": [key]}],
        "birthDate": "1970-05-05",
        "gender": "female",
    }
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": "urn:test:obs", "value": key}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": full_url},
        "effectiveDateTime": "2026-01-01T08:00:00+08:00",
        "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": full_url, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
            {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
        ],
    }
