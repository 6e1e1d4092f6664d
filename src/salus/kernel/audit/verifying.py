"""Walking every chain from its first row to its signed head, and comparing with the heads kept outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import connections
from django.utils.translation import gettext_noop as _

from salus.kernel.audit.chain import ALIAS, GENESIS
from salus.kernel.audit.entries import COLUMNS, canonical, row_id, stored_fields
from salus.kernel.audit.heads import Head, HeadsFile, Keyring, heads_path, keys_folder
from salus.kernel.models.audit import SEQ_BITS

_PAGE = 10_000
_SEQ_MASK = (1 << SEQ_BITS) - 1
FINDINGS_SHOWN = 200

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: what kind, in which chain, at which row (0 when it concerns the whole chain).

    Kinds: "altered" (a row or its order was changed), "missing" (rows were removed), "inserted" (rows that no
    head covers), "cut" (the chain ends before a head that was signed for it: a cut tail or an older
    database), "head" (a head is not what was signed), "heads-file" (lines of the heads file cannot be read).
    """

    kind: str
    chain: int
    seq: int
    words: str


@dataclass(slots=True)
class Report:
    """What verification found; `ok` when nothing. `more` counts findings beyond those listed."""

    rows: int = 0
    chains: int = 0
    heads: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether every row is as it was written."""
        return not self.findings

    def add(self, kind: str, chain: int, seq: int, words: str) -> None:
        """Note a finding; beyond two hundred only their number is kept."""
        if len(self.findings) < FINDINGS_SHOWN:
            self.findings.append(Finding(kind, chain, seq, words))
        else:
            self.more += 1


def verify(
    *, heads_file: Path | None = None, keys: Path | None = None, progress: Progress | None = None
) -> Report:
    """Verify every chain against its rows, its signed head and the heads kept outside the database.

    `heads_file` is a copy kept elsewhere (the installation's own without it), `keys` the folder of the
    public keys. `progress(rows done, rows in all)` is called every ten thousand rows. Memory stays flat;
    rows written meanwhile are no findings.
    """
    started = time.perf_counter()
    report = Report()
    keyring = Keyring(keys or keys_folder())
    # The heads are read first: a row committed later can then only be ahead of them.
    outside = _outside_heads(HeadsFile(heads_file or heads_path()), keyring, report)
    chains = _chain_heads()
    total = sum(head.seq for head in chains.values())
    for chain in sorted(set(chains) | set(_chains_with_rows())):
        report.chains += 1
        _verify_chain(chain, outside.get(chain, {}), keyring, report, progress, total)
    for chain, heads in sorted(outside.items()):
        if chain not in chains:
            report.add("cut", chain, max(heads), _("The whole chain is missing"))
    report.seconds = time.perf_counter() - started
    return report


def _outside_heads(file: HeadsFile, keyring: Keyring, report: Report) -> dict[int, dict[int, bytes]]:
    heads, broken = file.read()
    if broken:
        report.add("heads-file", 0, 0, _("Lines of the heads file are no heads"))
    outside: dict[int, dict[int, bytes]] = {}
    for head in heads:
        if keyring.genuine(head):
            outside.setdefault(head.chain, {})[head.seq] = head.hash
            report.heads += 1
        else:
            report.add(
                "head", head.chain, head.seq, _("A head in the heads file was not signed by a known key")
            )
    return outside


def _chain_heads() -> dict[int, Head]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("select id, head_seq, head_hash, head_at, key_id, signature from kernel_auditchain")
        return {row[0]: Head(row[0], row[1], bytes(row[2]), row[3], row[4], bytes(row[5])) for row in cursor}


def _chains_with_rows() -> Iterator[int]:
    """Yield each chain that has rows, by one look into the key's index a chain."""
    after = -1
    while True:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("select min(id) from kernel_auditrow where id > %s", [after])
            found = cursor.fetchone()[0]
        if found is None:
            return
        yield found >> SEQ_BITS
        after = ((found >> SEQ_BITS) + 1 << SEQ_BITS) - 1


def _page(chain: int, after: int, upto: int) -> list[tuple[Any, ...]]:
    names = ", ".join(("id", "hash", *COLUMNS))
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            f"select {names} from kernel_auditrow where id > %s and id <= %s order by id limit %s",  # noqa: S608
            [row_id(chain, after), row_id(chain, upto), _PAGE],
        )
        return list(cursor.fetchall())


def _verify_chain(
    chain: int,
    outside: dict[int, bytes],
    keyring: Keyring,
    report: Report,
    progress: Progress | None,
    total: int,
) -> None:
    seq, digest = 0, GENESIS
    while True:
        head = _chain_heads().get(chain)
        upto = head.seq if head is not None else _SEQ_MASK
        seq, digest = _verify_rows(chain, seq, digest, upto, outside, report, progress, total)
        if head is None:
            report.add("inserted", chain, seq, _("The chain's rows stand under no head"))
            return
        beyond = _page(chain, head.seq, _SEQ_MASK)
        if not beyond:
            break
        now = _chain_heads().get(chain)
        if now is None or now.seq == head.seq:
            report.add("inserted", chain, head.seq + 1, _("Rows stand after the chain's signed head"))
            break
    if seq < head.seq:
        report.add("missing", chain, seq + 1, _("Rows up to the chain's head are missing"))
    elif digest != head.hash:
        report.add("altered", chain, seq, _("The last row is not the one that the head was signed for"))
    if head.seq and not keyring.genuine(head):
        report.add("head", chain, head.seq, _("The chain's head was not signed by a known key"))
    beyond_end = [number for number in outside if number > head.seq]
    if beyond_end:
        report.add(
            "cut",
            chain,
            head.seq + 1,
            _("Rows that were signed for are gone: a cut tail or an older database put back"),
        )


def _verify_rows(
    chain: int,
    seq: int,
    digest: bytes,
    upto: int,
    outside: dict[int, bytes],
    report: Report,
    progress: Progress | None,
    total: int,
) -> tuple[int, bytes]:
    while seq < upto:
        page = _page(chain, seq, upto)
        if not page:
            break
        for row in page:
            key, stored = row[0], bytes(row[1])
            place = key & _SEQ_MASK
            if place != seq + 1:
                report.add("missing", chain, seq + 1, _("Rows are missing"))
            if sha256(digest + canonical(key, stored_fields(row[2:]))).digest() != stored:
                if place == seq + 1:
                    report.add("altered", chain, place, _("The row is not the one that was written here"))
            if outside and place in outside and outside[place] != stored:
                report.add("altered", chain, place, _("The row is not the one that a head was signed for"))
            seq, digest = place, stored
        report.rows += len(page)
        if progress is not None:
            progress(report.rows, max(total, report.rows))
    return seq, digest
