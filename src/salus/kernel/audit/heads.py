"""Signed chain heads: what the chain's end was at an instant, kept in a file outside the database."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import connections

COMPACT_AT = 4 * 1024 * 1024
"""Bytes at which the heads file is cut down to each chain's last head and its first of each day."""

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: `seq` rows, the last row's hash, when (µs), and who signed it."""

    chain: int
    seq: int
    hash: bytes
    at: int
    key_id: str = ""
    signature: bytes = b""

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return b"salus audit head 1\n%d %d %s %d" % (self.chain, self.seq, self.hash.hex().encode(), self.at)

    def line(self) -> bytes:
        """Return the head as a line of the heads file."""
        return orjson.dumps(
            {
                "chain": self.chain,
                "seq": self.seq,
                "hash": self.hash.hex(),
                "at": self.at,
                "key": self.key_id,
                "sig": self.signature.hex(),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )

    @classmethod
    def parse(cls, line: bytes) -> Head:
        """Read a line of the heads file; raises ValueError when it is none."""
        try:
            row = orjson.loads(line)
            return cls(
                int(row["chain"]),
                int(row["seq"]),
                bytes.fromhex(row["hash"]),
                int(row["at"]),
                str(row["key"]),
                bytes.fromhex(row["sig"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("not a chain head") from error


def _key_id(public: Ed25519PublicKey) -> str:
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


class Signer:
    """The installation's signing key, made on first use, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "audit-signing.pem"
        if not path.exists():
            private = Ed25519PrivateKey.generate()
            pem = private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            temporary = folder / f"audit-signing.{os.getpid()}.tmp"
            with os.fdopen(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            try:
                # link fails when another process was first, so all sign with one key.
                os.link(temporary, path)
            except FileExistsError:
                pass
            temporary.unlink()
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(loaded, Ed25519PrivateKey):
            raise ValueError(f"{path.name} holds no Ed25519 key")
        self._private = loaded
        self.key_id = _key_id(loaded.public_key())
        public_path = folder / f"audit-{self.key_id}.pub"
        if not public_path.exists():
            public_path.write_bytes(
                loaded.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )

    def sign(self, chain: int, seq: int, digest: bytes, at: int) -> Head:
        """Return a signed head."""
        unsigned = Head(chain, seq, digest, at)
        return Head(chain, seq, digest, at, self.key_id, self._private.sign(unsigned.message()))


class Keyring:
    """The public keys that heads may be signed with: the files `audit-*.pub` of the keys folder."""

    def __init__(self, folder: Path) -> None:
        self._keys: dict[str, Ed25519PublicKey] = {}
        for path in sorted(folder.glob("audit-*.pub")):
            key = serialization.load_pem_public_key(path.read_bytes())
            if isinstance(key, Ed25519PublicKey):
                self._keys[_key_id(key)] = key

    def genuine(self, head: Head) -> bool:
        """Say whether the head was signed by a known key."""
        key = self._keys.get(head.key_id)
        if key is None:
            return False
        try:
            key.verify(head.signature, head.message())
        except InvalidSignature:
            return False
        return True


def keys_folder() -> Path:
    """Return the folder of the signing key."""
    return Path(settings.DATA_DIR) / "keys"


def heads_path() -> Path:
    """Return where this installation keeps its signed heads; a test database has a file of its own."""
    name = Path(str(connections["audit"].settings_dict["NAME"])).name
    test = "test-" if name.startswith("test_") or ":memory:" in name or "mode=memory" in name else ""
    return Path(settings.DATA_DIR) / f"{test}audit-heads.jsonl"


class HeadsFile:
    """The file of signed heads, appended by several processes under a file lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, head: Head) -> None:
        """Add a head; the file is compacted when it has grown large."""
        with self._locked() as file:
            file.seek(0, os.SEEK_END)
            file.write(head.line())
            file.flush()
            if file.tell() > COMPACT_AT:
                self._compact(file)

    def sync(self) -> None:
        """Make the file durable."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield file
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def _compact(self, file: IO[bytes]) -> None:
        file.seek(0)
        kept: dict[tuple[int, int], bytes] = {}
        last: dict[int, tuple[int, bytes]] = {}
        unread: list[bytes] = []
        for line in file:
            try:
                head = Head.parse(line)
            except ValueError:
                unread.append(line)
                continue
            kept.setdefault((head.chain, head.at // _DAY), line)
            if head.seq >= last.get(head.chain, (0, b""))[0]:
                last[head.chain] = (head.seq, line)
        lines = [*unread, *dict.fromkeys([*kept.values(), *(line for _, line in last.values())])]
        file.seek(0)
        file.truncate()
        file.write(b"".join(lines))
        file.flush()
        os.fsync(file.fileno())

    def read(self) -> tuple[list[Head], int]:
        """Return the heads and how many lines are none, a last line cut short not counted."""
        if not self.path.exists():
            return [], 0
        heads: list[Head] = []
        broken = 0
        raw = self.path.read_bytes()
        lines = raw.split(b"\n")
        for number, line in enumerate(lines):
            if not line:
                continue
            try:
                heads.append(Head.parse(line))
            except ValueError:
                if number != len(lines) - 1:
                    broken += 1
        return heads, broken
