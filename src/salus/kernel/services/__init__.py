"""What can be done with accounts and registers: permission, rule, one transaction, audit row."""

from salus.kernel.services.accounts import (
    close_account,
    create_account,
    grant_role,
    lock_account,
    reset_password,
    revoke_role,
    set_language,
    unlock_account,
)
from salus.kernel.services.registers import Imported, import_registers

__all__ = [
    "Imported",
    "close_account",
    "create_account",
    "grant_role",
    "import_registers",
    "lock_account",
    "reset_password",
    "revoke_role",
    "set_language",
    "unlock_account",
]
