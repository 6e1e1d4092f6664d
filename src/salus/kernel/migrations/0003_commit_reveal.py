"""The tables of commit–reveal and the triggers that hold their rules whatever program writes.

The database's own clock decides what is late and its own SHA-256 whether an opening is the one committed
to. On SQLite the function `SHA256` comes with Django's connection; a program without it cannot reveal at
all. A later change of these tables must make the triggers again: SQLite drops them when it remakes a table.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from salus.kernel import migrating

_NOW = "julianday('now')"
_PREIMAGE = (
    "'salus-commit-1' || {nl} || r.purpose || {nl} || r.code || {nl} || new.party || {nl} || new.nonce"
    " || {nl} || {payload}"
)
_SQLITE_HASH = "SHA256(" + _PREIMAGE.format(nl="char(10)", payload="SHA256(new.payload)") + ")"
_PG_HASH = (
    "encode(sha256(convert_to("
    + _PREIMAGE.format(nl="chr(10)", payload="encode(sha256(convert_to(new.payload, 'UTF8')), 'hex')")
    + ", 'UTF8')), 'hex')"
)
_FIXED_ROUND = ("code", "purpose", "opened_at", "commit_until", "reveal_until")
_FIXED = ("round_id", "party", "digest", "envelope", "committed_at")

SQLITE = [
    f"""create trigger kernel_commitround_fixed before update on kernel_commitround
    when {" or ".join(f"new.{name} is not old.{name}" for name in _FIXED_ROUND)}
    begin select raise(abort, 'commit-round-fixed'); end""",
    f"""create trigger kernel_commitround_root before update on kernel_commitround
    when new.root is not old.root and (old.root <> '' or {_NOW} < julianday(new.commit_until))
    begin select raise(abort, 'commit-root-fixed'); end""",
    f"""create trigger kernel_commitment_insert before insert on kernel_commitment
    when new.withdrawn_at is not null or new.revealed_at is not null or not exists (
        select 1 from kernel_commitround r where r.id = new.round_id and r.root = ''
        and {_NOW} >= julianday(r.opened_at) and {_NOW} < julianday(r.commit_until))
    begin select raise(abort, 'commit-late'); end""",  # noqa: S608 - names of this file
    f"""create trigger kernel_commitment_fixed before update on kernel_commitment
    when {" or ".join(f"new.{name} is not old.{name}" for name in _FIXED)}
    begin select raise(abort, 'commit-altered'); end""",
    f"""create trigger kernel_commitment_withdraw before update on kernel_commitment
    when new.withdrawn_at is not old.withdrawn_at and (old.withdrawn_at is not null or not exists (
        select 1 from kernel_commitround r where r.id = new.round_id and {_NOW} < julianday(r.commit_until)))
    begin select raise(abort, 'withdraw-late'); end""",  # noqa: S608 - names of this file
    f"""create trigger kernel_commitment_reveal before update on kernel_commitment
    when (new.nonce is not old.nonce or new.payload is not old.payload
          or new.revealed_at is not old.revealed_at)
     and (old.revealed_at is not null or not exists (
        select 1 from kernel_commitround r where r.id = new.round_id
        and {_NOW} >= julianday(r.commit_until) and {_NOW} < julianday(r.reveal_until)
        and new.digest = {_SQLITE_HASH}))
    begin select raise(abort, 'reveal-refused'); end""",  # noqa: S608 - names of this file
    """create trigger kernel_commitment_delete before delete on kernel_commitment
    begin select raise(abort, 'commit-delete'); end""",
]

_RAISE = "raise exception '{}' using errcode = 'check_violation'"
POSTGRES = [
    f"""create function kernel_commitround_guard() returns trigger language plpgsql as $$ begin
    if {" or ".join(f"new.{name} is distinct from old.{name}" for name in _FIXED_ROUND)} then
        {_RAISE.format("commit-round-fixed")}; end if;
    if new.root is distinct from old.root
       and (old.root <> '' or clock_timestamp() < new.commit_until) then
        {_RAISE.format("commit-root-fixed")}; end if;
    return new; end $$""",
    """create trigger kernel_commitround_guard before update on kernel_commitround
    for each row execute function kernel_commitround_guard()""",
    f"""create function kernel_commitment_guard() returns trigger language plpgsql as $$
    declare r kernel_commitround%rowtype; begin
    if tg_op = 'DELETE' then {_RAISE.format("commit-delete")}; end if;
    select * into r from kernel_commitround where id = new.round_id for share;
    if tg_op = 'INSERT' then
        if not found or new.withdrawn_at is not null or new.revealed_at is not null or r.root <> ''
           or clock_timestamp() < r.opened_at or clock_timestamp() >= r.commit_until then
            {_RAISE.format("commit-late")}; end if;
        return new; end if;
    if {" or ".join(f"new.{name} is distinct from old.{name}" for name in _FIXED)} then
        {_RAISE.format("commit-altered")}; end if;
    if new.withdrawn_at is distinct from old.withdrawn_at
       and (old.withdrawn_at is not null or clock_timestamp() >= r.commit_until) then
        {_RAISE.format("withdraw-late")}; end if;
    if (new.nonce is distinct from old.nonce or new.payload is distinct from old.payload
        or new.revealed_at is distinct from old.revealed_at)
       and (old.revealed_at is not null or clock_timestamp() < r.commit_until
            or clock_timestamp() >= r.reveal_until or new.digest <> {_PG_HASH}) then
        {_RAISE.format("reveal-refused")}; end if;
    return new; end $$""",  # noqa: S608 - names of this file
    """create trigger kernel_commitment_guard before insert or update or delete on kernel_commitment
    for each row execute function kernel_commitment_guard()""",
]
_NAMES = {"round": ("fixed", "root"), "ment": ("insert", "fixed", "withdraw", "reveal", "delete")}
DROP_SQLITE = [f"drop trigger kernel_commit{a}_{b}" for a, names in _NAMES.items() for b in names]
DROP_POSTGRES = [
    f"drop {what} kernel_commit{table}_guard{more.format(table)}"
    for table in ("round", "ment")
    for what, more in (("trigger", " on kernel_commit{}"), ("function", "()"))
]


def create_triggers(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in POSTGRES if editor.connection.vendor == "postgresql" else SQLITE:
        editor.execute(statement, params=None)


def drop_triggers(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in DROP_POSTGRES if editor.connection.vendor == "postgresql" else DROP_SQLITE:
        editor.execute(statement, params=None)


class Migration(migrating.Migration):
    dependencies = [("kernel", "0002_handler_lease")]

    operations = [
        migrations.CreateModel(
            name="CommitRound",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=80, unique=True, verbose_name="code")),
                ("purpose", models.CharField(max_length=40, verbose_name="purpose")),
                ("opened_at", models.DateTimeField(verbose_name="opens")),
                ("commit_until", models.DateTimeField(verbose_name="commitments until")),
                ("reveal_until", models.DateTimeField(verbose_name="revealing until")),
                ("root", models.CharField(blank=True, max_length=64, verbose_name="root")),
                (
                    "made_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="made by",
                    ),
                ),
            ],
            options={
                "verbose_name": "commit–reveal round",
                "verbose_name_plural": "commit–reveal rounds",
                "ordering": ["-commit_until"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(opened_at__lt=models.F("commit_until"))
                        & models.Q(commit_until__lt=models.F("reveal_until")),
                        name="kernel_commitround_times",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Commitment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("party", models.CharField(max_length=120, verbose_name="party")),
                ("digest", models.CharField(max_length=64, verbose_name="commitment")),
                ("envelope", models.TextField(blank=True, verbose_name="sealed envelope")),
                ("committed_at", models.DateTimeField(verbose_name="committed")),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True, verbose_name="withdrawn")),
                ("revealed_at", models.DateTimeField(blank=True, null=True, verbose_name="revealed")),
                ("nonce", models.CharField(blank=True, max_length=64, verbose_name="nonce")),
                ("payload", models.TextField(blank=True, verbose_name="payload")),
                (
                    "round",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="commitments",
                        to="kernel.commitround",
                        verbose_name="round",
                    ),
                ),
            ],
            options={
                "verbose_name": "commitment",
                "verbose_name_plural": "commitments",
                "ordering": ["round", "party", "committed_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["round", "party"],
                        condition=models.Q(withdrawn_at__isnull=True),
                        name="kernel_commitment_one_a_party",
                    ),
                    models.UniqueConstraint(fields=["round", "digest"], name="kernel_commitment_once"),
                    models.CheckConstraint(
                        condition=models.Q(revealed_at__isnull=True, nonce="", payload="")
                        | (
                            models.Q(revealed_at__isnull=False, withdrawn_at__isnull=True)
                            & ~models.Q(nonce="")
                        ),
                        name="kernel_commitment_revealed_whole",
                    ),
                ],
            },
        ),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
