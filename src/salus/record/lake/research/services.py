"""What can be done about copies for research: ask for one, make those that wait, delete one."""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.engine import duckdb_engine
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound, SalusError
from salus.kernel.policy import Principal, Target
from salus.record.lake import reading
from salus.record.lake.folder import Folder
from salus.record.lake.research import columns, copying
from salus.record.models.lake import CopyState, ResearchCopy

TARGET = Target("research_export")
PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")
MEMORY = "1GB"
_REASON = 5


def ask(
    principal: Principal,
    project: str,
    *,
    title: str,
    basis: str,
    tables: Sequence[str] = (),
    as_of: date | None = None,
    k: int = 5,
) -> ResearchCopy:
    """Ask for a copy for a study; the worker makes it.

    `project` names the study (small letters, digits, hyphens) and with it the key of its pseudonyms;
    `basis` is the number of its ethics approval; `tables` those wanted (all if none).

    Raises:
        NotAllowed: the principal may not ask for copies.
        Invalid: a value breaks a rule.
    """
    policy.require(principal, "create", TARGET)
    if not PROJECT.fullmatch(project):
        raise Invalid(
            "research-project",
            _("The study's name is not of small letters, digits and hyphens"),
            where="project",
        )
    if len(title.strip()) < _REASON or len(basis.strip()) < _REASON:
        raise Invalid(
            "research-basis", _("Title and ethics approval are needed"), where="basis",
            fix=_("Say what the study is and under which approval"),
        )  # fmt: skip
    wanted = tuple(tables) or columns.tables()
    copying.Settings(b"", k, as_of or date.today(), wanted)
    if as_of is not None and as_of > timezone.localdate():
        raise Invalid("research-as-of", _("The day is in the future"), where="as_of")
    with transaction.atomic(), connection.cursor() as cursor:
        made = ResearchCopy.objects.create(
            project=project, title=title.strip()[:200], basis=basis.strip()[:120], tables=list(wanted),
            as_of=as_of, k=k, asked_by=principal.name, asked=timezone.now(),
        )  # fmt: skip
        intent = audit.intend(cursor, [_entry(principal, "create", made)])
    audit.settle(intent)
    return made


def _entry(principal: Principal, action: str, made: ResearchCopy) -> audit.AuditEntry:
    return audit.entry(
        principal.with_purpose(reading.RESEARCH),
        action,
        resource_type="ResearchCopy",
        resource_id=str(made.pk),
        detail={"project": made.project, "tables": made.tables, "k": made.k, "as_of": str(made.as_of or "")},
    )


def make(number: int, *, progress: Callable[[str, int, int | None], None] = lambda *_: None) -> ResearchCopy:
    """Make a copy that waits; raises what went wrong after noting it on the copy."""
    made = ResearchCopy.objects.get(pk=number)
    if made.state in (CopyState.READY, CopyState.DELETED):
        return made
    ResearchCopy.objects.filter(pk=number).update(state=CopyState.RUNNING)
    try:
        report = _copy(made, progress)
    except SalusError as fault:
        ResearchCopy.objects.filter(pk=number).update(state=CopyState.FAILED, failure=str(fault)[:200])
        raise
    principal = policy.system_principal("lake")
    with transaction.atomic(), connection.cursor() as cursor:
        ResearchCopy.objects.filter(pk=number).exclude(state=CopyState.DELETED).update(
            state=CopyState.READY, made=timezone.now(), failure="", report=copying.as_json(report)
        )
        made.refresh_from_db()
        entry = _entry(principal, "export", made)
        intent = audit.intend(cursor, [entry])
    audit.settle(intent)
    if made.state == CopyState.DELETED:  # while it was being made
        shutil.rmtree(folder_of(made), ignore_errors=True)
    return made


def _copy(made: ResearchCopy, progress: Callable[[str, int, int | None], None]) -> copying.Report:
    root = reading.root()
    with Folder(root).reading() as manifest:
        if manifest is None:
            raise NotFound("lake-none", _("There is no lake yet"), fix=_("Run salus lake build"))
        at = reading.instant(made.as_of)
        day = made.as_of or timezone.localdate()
        wanted = copying.Settings(key(made.project), made.k, day, tuple(made.tables))
        if at is not None and at > manifest.read_at:
            at = None
        tables = [t for n, t in manifest.tables.items() if n in ("patient", *wanted.tables)]
        with duckdb_engine(memory_limit=MEMORY) as engine:
            lake = reading.attach(
                engine, root, manifest, tables, at=at,
                withheld=reading.withheld_patients(reading.RESEARCH), sensitive=sensitive_rids(),
            )  # fmt: skip
            return copying.copy(lake, folder_of(made), wanted, progress=progress)


def make_waiting() -> int:
    """Make every copy that waits or was cut off; return how many were made."""
    made = 0
    for number in ResearchCopy.objects.filter(state__in=(CopyState.WAITING, CopyState.RUNNING)).values_list(
        "pk", flat=True
    ):
        try:
            make(number)
        except SalusError:
            continue  # noted on the copy, for whoever asked
        made += 1
    return made


def delete(principal: Principal, number: int) -> ResearchCopy:
    """Delete a copy's files; that it was made stays on record.

    Raises `NotAllowed`, `NotFound`, `Conflict` (it was deleted already).
    """
    policy.require(principal, "delete", TARGET)
    with transaction.atomic(), connection.cursor() as cursor:
        made = ResearchCopy.objects.filter(pk=number).first()
        if made is None:
            raise NotFound("research-none", _("There is no such copy"))
        if made.state == CopyState.DELETED:
            raise Conflict("research-deleted", _("The copy was deleted already"))
        made.state = CopyState.DELETED
        made.save(update_fields=["state"])
        intent = audit.intend(cursor, [_entry(principal, "delete", made)])
    shutil.rmtree(folder_of(made), ignore_errors=True)
    audit.settle(intent)
    return made


def folder_of(made: ResearchCopy) -> Path:
    """Return where a copy's files are."""
    return Path(settings.DATA_DIR) / "research" / made.project / str(made.pk)


def key(project: str) -> bytes:
    """Return a study's own key, made on first use and readable by the installation only."""
    if not PROJECT.fullmatch(project):
        raise Invalid("research-project", _("This is no study's name"), where="project")
    path = Path(settings.DATA_DIR) / "keys" / "research" / project
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = path.with_name(f".{project}.{secrets.token_hex(4)}")
    if not path.exists():
        with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)  # the first one wins, whole
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_bytes()


def sensitive_rids() -> set[int]:
    """Return the numbers of resources of sensitive categories: no copy holds them."""
    with connection.cursor() as cursor:
        cursor.execute("select distinct rid from record_sensitive")
        return {row[0] for row in cursor.fetchall()}
