"""A basis of prices: recorded from files, and read back for a study."""

import zlib
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.insurance.models import PriceBasis, PriceBasisService
from salus.insurance.repricing import Basis
from salus.insurance.repricing.tables import read_basis
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal, Target

_BATCH = 500
_COLUMNS = ("rank", "price", "cost", "labour", "difficulty", "risk", "lowest", "highest", "target")
_LONGEST = {"codes": 40, "names": 300, "departments": 100, "tiers": 20, "family": 40}


def record_basis(
    principal: Principal, services: Path, volumes: Path, freed: Path | None, *, title: str, year: int,
    now: datetime,
) -> PriceBasis:  # fmt: skip
    """Record a basis from its files; all or nothing.

    Raises:
        NotAllowed: the principal may not.
        Invalid: a file cannot be read, or (BadRows) rows of it cannot; a text is too long.
        Conflict: these very files are recorded already.
    """
    policy.require(principal, "create", Target("service_price"))
    if not (title := title.strip()):
        raise Invalid("price-title", _("Give it a title"), where="title")
    basis = read_basis(services, volumes, freed)
    for name, most in _LONGEST.items():
        if long := next((text for text in getattr(basis, name) if len(text) > most), None):
            raise Invalid("price-text", _("A text is too long"), where=f"{name}: {long[:30]}…")
    digest = _digest([path for path in (services, volumes, freed) if path is not None])
    with transaction.atomic(), connection.cursor() as cursor:
        if PriceBasis.objects.filter(digest=digest).exists():
            raise Conflict("price-basis-recorded", _("These files are recorded already"))
        made = PriceBasis.objects.create(
            title=title[:200], year=year, digest=digest, services=len(basis.codes),
            hospitals=[list(pair) for pair in zip(basis.hospitals, basis.hospital_tiers, strict=True)],
            groups=list(basis.groups), freed=basis.freed.tolist(),
            freed_fund=None if basis.freed_fund is None else basis.freed_fund.tolist(),
            recorded_at=now, recorded_by=principal.name,
        )  # fmt: skip
        PriceBasisService.objects.bulk_create(_rows(made, basis), batch_size=_BATCH)
        detail = {"services": made.services}
        entry = audit.entry(
            principal, "create", resource_type="PriceBasis", resource_id=str(made.pk), detail=detail
        )
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    return made


def _digest(paths: Sequence[Path]) -> str:
    found = sha256()
    for path in paths:
        found.update(sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _rows(made: PriceBasis, basis: Basis) -> list[PriceBasisService]:
    return [
        PriceBasisService(
            basis=made, place=place, code=code, tier=basis.tiers[place], name=basis.names[place],
            department=basis.departments[place], family=basis.family[place],
            volumes=zlib.compress(basis.volumes[place].astype("<i8").tobytes()),
            **{name: int(getattr(basis, name)[place]) for name in _COLUMNS},
        )
        for place, code in enumerate(basis.codes)
    ]  # fmt: skip


def load_basis(recorded: PriceBasis) -> Basis:
    """Return a recorded basis as the engine takes it."""
    rows = list(recorded.rows.order_by("place"))
    shape = (len(recorded.hospitals), len(recorded.groups))
    volumes = np.stack(
        [np.frombuffer(zlib.decompress(bytes(row.volumes)), dtype="<i8").reshape(shape) for row in rows]
    ).astype(np.int64)
    fund = recorded.freed_fund
    columns: dict[str, Any] = {
        name: np.array([getattr(row, name) for row in rows], dtype=np.int64) for name in _COLUMNS
    }
    return Basis(
        codes=tuple(row.code for row in rows), tiers=tuple(row.tier for row in rows),
        names=tuple(row.name for row in rows), departments=tuple(row.department for row in rows),
        family=tuple(row.family for row in rows), volumes=volumes,
        hospitals=tuple(code for code, _tier in recorded.hospitals),
        hospital_tiers=tuple(tier for _code, tier in recorded.hospitals), groups=tuple(recorded.groups),
        freed=np.array(recorded.freed, dtype=np.int64),
        freed_fund=None if fund is None else np.array(fund, dtype=np.int64),
        **columns,
    )  # fmt: skip
