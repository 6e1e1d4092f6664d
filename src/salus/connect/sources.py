"""The register of source systems: imported, given mappings and credentials, looked up by what they show."""

import csv
import hashlib
import hmac
import re
import secrets
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q

from salus.connect.models import Format, MappingRevision, PullSchedule, SourceCredential, SourceSystem
from salus.connect.tabular.mapping import Mapping, compile_mapping, read_toml
from salus.kernel.errors import Invalid, NotFound
from salus.kernel.models import Institution

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS = {
    "code",
    "name",
    "name_en",
    "institution",
    "vendor",
    "format",
    "charset",
    "timezone",
    "mapping",
    "system_base",
}
_LARGEST_MAP = 200_000


@dataclass(slots=True)
class Imported:
    """What an import of sources did."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def source_named(code: str) -> SourceSystem:
    """Return the source of that code; raises NotFound with what to do."""
    try:
        return SourceSystem.objects.get(code=code)
    except SourceSystem.DoesNotExist:
        raise NotFound(
            "no-source",
            f"there is no source {code!r}",
            fix="Look at `salus connect sources`, or load to make it.",
        ) from None


def make_source(code: str, *, form: str, charset: str = "utf-8") -> SourceSystem:
    """Register a source with nothing but its code and format; the register can say more later."""
    if not _CODE.fullmatch(code):
        raise Invalid("bad-source-code", "a source's code is letters, digits, dot, _ and -, at most 64")
    return SourceSystem.objects.create(code=code, name=code, format=form, charset=charset, made_on_load=True)


def inline_code_files(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a mapping with the code maps that stand in CSV files beside it read in.

    Raises Invalid for a file outside the folder, absent, or without the columns local and code.
    """
    for name, section in tree.get("codes", {}).items():
        if not isinstance(section, dict) or "file" not in section:
            continue
        where = f"codes.{name}"
        place = (folder / str(section["file"])).resolve()
        if not place.is_relative_to(folder.resolve()) or not place.is_file():
            raise Invalid("mapping", "the file of the code map is not beside the mapping", where=where)
        with place.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"local", "code"} <= set(reader.fieldnames or ()):
                raise Invalid(
                    "mapping", "a code map's file has the columns local,code,display,system", where=where
                )
            values = dict(section.get("values", {}))
            for row in reader:
                if len(values) >= _LARGEST_MAP:
                    raise Invalid("mapping", "the code map is too long", where=where)
                values[row["local"]] = [row["code"], row.get("display") or "", row.get("system") or ""]
        section["values"] = values
        del section["file"]
    return tree


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
        return (
            '"' + re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", lambda m: f"\\u{ord(m[0]):04x}", escaped) + '"'
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{_toml_value(str(key))} = {_toml_value(item)}" for key, item in value.items())
            + " }"
        )
    raise Invalid("mapping", "dates in a mapping stand in quotes")


def read_mapping(path: Path) -> str:
    """Return a mapping file as the text that the register keeps, its code files read in."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise Invalid("mapping", "the mapping cannot be read", where=str(path)) from fault
    tree = read_toml(text)
    files = {
        name: section["file"]
        for name, section in tree.get("codes", {}).items()
        if isinstance(section, dict) and "file" in section
    }
    if not files:
        return text
    tree = inline_code_files(tree, path.parent)
    # The words of the file stay as they are; only the maps' file lines become their rows.
    for name in files:
        values = "\n".join(
            f"{_toml_value(k)} = {_toml_value(v)}" for k, v in tree["codes"][name]["values"].items()
        )
        text = _without_file_line(text, name) + f"\n[codes.{name}.values]\n{values}\n"
    return text


def _without_file_line(text: str, name: str) -> str:
    """Return the mapping without the `file` line (and short `values`) of one code map."""
    lines, inside = [], False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped.split("#")[0].strip() == f"[codes.{name}]"
        if inside and re.match(r"(file|values)\s*=", stripped):
            continue
        lines.append(line)
    return "\n".join(lines) + "\n"


def check_mapping(text: str, source: SourceSystem) -> Mapping:
    """Return the compiled mapping; raises Invalid naming the table and element of the first fault."""
    return compile_mapping(
        read_toml(text), source=source.code, charset=source.charset or "utf-8", timezone=source.timezone
    )


@transaction.atomic
def set_mapping(source: SourceSystem, text: str, *, note: str = "", account_id: int | None = None) -> bool:
    """Give a source a mapping, kept as a new revision; False if it is the one it has. Raises Invalid."""
    compiled = check_mapping(text, source)
    if text == source.mapping:
        return False
    source.mapping = text
    source.mapping_revision += 1
    source.save(update_fields=("mapping", "mapping_revision"))
    MappingRevision.objects.create(
        source=source, number=source.mapping_revision, text=text, note=note[:300], made_by_id=account_id
    )
    for pull in compiled.pulls:
        PullSchedule.objects.update_or_create(
            source=source,
            name=pull.name,
            defaults={
                "url_variable": pull.url_env,
                "table": pull.table,
                "query": pull.query,
                "watermark_column": pull.watermark,
                "every": pull.every,
                "batch": pull.batch,
            },
            create_defaults={
                "url_variable": pull.url_env,
                "table": pull.table,
                "query": pull.query,
                "watermark_column": pull.watermark,
                "every": pull.every,
                "batch": pull.batch,
                "watermark": pull.start,
            },
        )
    return True


def import_sources(path: Path) -> Imported:
    """Register the sources of a `sources.toml` (format: docs/connect.md), all or none.

    Raises Invalid naming the source and key of the first fault.
    """
    try:
        listed = tomllib.loads(path.read_text("utf-8")).get("source", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise Invalid(
            "sources-file", f"the file of sources cannot be read: {fault}", where=str(path)
        ) from fault
    report = Imported()
    institutions = dict(Institution.objects.values_list("code", "id"))
    with transaction.atomic():
        for section in listed:
            _import_one(section, path.parent, institutions, report)
    return report


def _import_one(section: Any, folder: Path, institutions: dict[str, int], report: Imported) -> None:
    code = str(section.get("code", "")) if isinstance(section, dict) else ""
    if not _CODE.fullmatch(code):
        raise Invalid(
            "sources-file", "a source needs a code of letters, digits, dot, _ and -", where=code[:64]
        )
    if unknown := sorted(set(section) - _KEYS):
        raise Invalid("sources-file", f"{unknown[0]!r} is not known here", where=code)
    if section.get("format") not in Format.values:
        raise Invalid("sources-file", f"format is one of {', '.join(Format.values)}", where=code)
    institution = section.get("institution")
    if institution and institution not in institutions:
        report.warnings.append(f"{code}: there is no institution {institution} in the register")
    wanted = {
        "name": str(section.get("name") or code),
        "name_en": str(section.get("name_en", "")),
        "institution_id": institutions.get(str(institution)) if institution else None,
        "vendor": str(section.get("vendor", "")),
        "format": section["format"],
        "charset": str(section.get("charset", "utf-8")),
        "timezone": str(section.get("timezone", "Asia/Shanghai")),
        "system_base": str(section.get("system_base", "")),
    }
    source = SourceSystem.objects.filter(code=code).first()
    created = source is None
    if source is None:
        source = SourceSystem.objects.create(code=code, **wanted)
    changed = {key: value for key, value in wanted.items() if getattr(source, key) != value}
    if changed:
        for key, value in changed.items():
            setattr(source, key, value)
        source.save(update_fields=tuple(changed))
    mapped = False
    if section.get("mapping"):
        try:
            mapped = set_mapping(
                source, read_mapping(folder / str(section["mapping"])), note=path_note(section)
            )
        except Invalid as fault:
            fault.where = f"{code}: {fault.where}"
            raise
    (report.created if created else report.updated if changed or mapped else report.unchanged).append(code)


def path_note(section: dict[str, Any]) -> str:
    """Return the note of a mapping that came from a file."""
    return f"imported from {section['mapping']}"


def _hash(secret: str) -> str:
    """Return the hash of a generated secret; with 256 random bits a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()


def issue_token(
    source: SourceSystem,
    *,
    label: str = "",
    scopes: str = "",
    valid_to: datetime | None = None,
    replaces: SourceCredential | None = None,
    account_id: int | None = None,
) -> tuple[SourceCredential, str]:
    """Make a bearer token and return its credential and the token itself, which is shown only now.

    With `replaces` the old one stays valid until it is revoked, so that a sender can change over.
    """
    secret = f"slc_{secrets.token_urlsafe(32)}"
    credential = SourceCredential.objects.create(
        source=source,
        kind=SourceCredential.Kind.TOKEN,
        label=label,
        prefix=secret[:12],
        secret_hash=_hash(secret),
        scopes=scopes,
        valid_to=valid_to,
        replaces=replaces,
        made_by_id=account_id,
    )
    return credential, secret


def trust_certificate(source: SourceSystem, fingerprint: str, *, label: str = "") -> SourceCredential:
    """Let a client certificate, named by its SHA-256 fingerprint, speak for a source."""
    bare = fingerprint.replace(":", "").strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", bare):
        raise Invalid(
            "bad-fingerprint", "a fingerprint is the SHA-256 of the certificate, 64 hexadecimal digits"
        )
    return SourceCredential.objects.create(
        source=source, kind=SourceCredential.Kind.CERTIFICATE, label=label, fingerprint=bare
    )


def bind_client(
    source: SourceSystem, client_id: str, *, scopes: str = "", label: str = ""
) -> SourceCredential:
    """Let a registered SMART backend client (an OAuth application) write as a source."""
    return SourceCredential.objects.create(
        source=source, kind=SourceCredential.Kind.CLIENT, client_id=client_id, scopes=scopes, label=label
    )


def revoke(credential: SourceCredential) -> None:
    """End a credential now."""
    SourceCredential.objects.filter(pk=credential.pk, revoked_at=None).update(revoked_at=datetime.now(UTC))


def _living(now: datetime) -> Q:
    return Q(revoked_at=None) & (Q(valid_to=None) | Q(valid_to__gt=now)) & Q(source__active=True)


def _note_use(credential: SourceCredential, now: datetime) -> None:
    """Keep when a credential was last used, to the minute: reading a resource must not cost a write."""
    if credential.last_used is None or now - credential.last_used > timedelta(minutes=1):
        SourceCredential.objects.filter(pk=credential.pk).update(last_used=now)


def by_token(token: str) -> SourceCredential | None:
    """Return the living credential of a bearer token, or None."""
    now = datetime.now(UTC)
    hashed = _hash(token)
    for credential in SourceCredential.objects.filter(_living(now), prefix=token[:12]).select_related(
        "source"
    ):
        if hmac.compare_digest(credential.secret_hash, hashed):
            _note_use(credential, now)
            return credential
    return None


def by_certificate(fingerprint: str) -> SourceCredential | None:
    """Return the living credential of a client certificate's SHA-256 fingerprint, or None."""
    now = datetime.now(UTC)
    found = SourceCredential.objects.filter(_living(now), fingerprint=fingerprint.replace(":", "").lower())
    return found.select_related("source").first()


def by_client(client_id: str) -> SourceCredential | None:
    """Return the living credential of an OAuth client, or None."""
    return (
        SourceCredential.objects.filter(_living(datetime.now(UTC)), client_id=client_id)
        .select_related("source")
        .first()
    )
