"""Import of accounts with a role each: what the kit's import needs to know about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import services
from salus.kernel.errors import Conflict
from salus.kernel.models import Account, District, Institution, Role
from salus.kernel.policy import Principal
from salus.web.imports import ImportColumn, Importer, Verdict

Row = Mapping[str, str]


def _known(model: Any, rows: Sequence[Row], name: str) -> dict[str, Any]:
    codes = {row.get(name, "") for row in rows} - {""}
    found: dict[str, Any] = {}
    ordered = sorted(codes)
    for start in range(0, len(ordered), 500):
        found.update(
            {entry.code: entry for entry in model.objects.filter(code__in=ordered[start : start + 500])}
        )
    return found


def check(principal: Principal, rows: Sequence[Row]) -> list[Verdict]:
    """Judge each row: the name is free and stands once, the role exists, the codes are registered."""
    institutions, districts = _known(Institution, rows, "institution"), _known(District, rows, "district")
    names = [row["username"] for row in rows]
    taken: set[str] = set()
    for start in range(0, len(names), 500):
        taken |= set(
            Account.objects.filter(username__in=names[start : start + 500]).values_list("username", flat=True)
        )
    seen: set[str] = set()
    return [_judged(row, taken, seen, institutions, districts) for row in rows]


def _judged(
    row: Row, taken: set[str], seen: set[str], institutions: Mapping[str, Any], districts: Mapping[str, Any]
) -> Verdict:
    name = row["username"]
    if name in taken:
        return Verdict("same", _("There is an account of this name already; it is left as it is."))
    if name in seen:
        return Verdict("wrong", _("The name stands in the file twice."))
    seen.add(name)
    if (role := row.get("role", "")) and role not in Role.values:
        return Verdict("wrong", _("There is no role %(role)s.") % {"role": role[:40]})
    for column, known in (("institution", institutions), ("district", districts)):
        code = row.get(column, "")
        if code and code not in known:
            return Verdict("wrong", _("The code %(code)s is in no register.") % {"code": code[:40]})
    return Verdict("ready")


def apply(principal: Principal, row: Row) -> dict[str, Any]:
    """Make the account and grant its role, both or neither."""
    with transaction.atomic():
        account = services.create_account(
            principal,
            row["username"],
            display_name=row.get("display_name", ""),
            institution=Institution.objects.filter(code=row.get("institution", "")).first(),
            district=District.objects.filter(code=row.get("district", "")).first(),
        )
        if role := row.get("role", ""):
            services.grant_role(principal, account, role)
    return {"account": account.pk}


def undo(principal: Principal, way_back: dict[str, Any]) -> None:
    """Close the account, unless somebody has signed in with it since.

    Raises:
        Conflict: the account is in use.
    """
    account = Account.objects.filter(pk=way_back["account"]).first()
    if account is None:
        return
    if account.last_login is not None:
        raise Conflict("account-used", _("Somebody has signed in with it; close it by hand."))
    services.close_account(principal, account)


ACCOUNTS = Importer(
    name="accounts",
    title=gettext_lazy("Import accounts"),
    action="create",
    kind="account",
    columns=(
        ImportColumn("username", gettext_lazy("Account name"), required=True, also=("账号", "工号")),
        ImportColumn("display_name", gettext_lazy("Name"), also=("姓名",)),
        ImportColumn("institution", gettext_lazy("Institution's code"), also=("机构代码",)),
        ImportColumn("district", gettext_lazy("District's code"), also=("行政区划代码",)),
        ImportColumn(
            "role",
            gettext_lazy("Role"),
            hint=gettext_lazy("for example clinician or village_doctor"),
            also=("角色",),
        ),
    ),
    check=check,
    apply=apply,
    undo=undo,
    back="web:accounts",
    text=gettext_lazy(
        "The accounts have no password: they sign in by another service, or you set one for each."
    ),
)
