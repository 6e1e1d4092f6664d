"""Which database a table lives in: the audit chain has its own, everything else shares one."""

from typing import Any

from django.db import models

AUDIT_MODELS = frozenset({"auditchain", "auditrow", "auditsettled"})
AUDIT_ALIAS = "audit"


def _is_audit(app_label: str, model_name: str | None) -> bool:
    return app_label == "kernel" and (model_name or "").lower() in AUDIT_MODELS


class AuditRouter:
    """Sends the audit chain's tables to the alias `audit` and keeps all others out of it."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        """Name the alias to read the model from."""
        return AUDIT_ALIAS if _is_audit(model._meta.app_label, model._meta.model_name) else "default"

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        """Name the alias to write the model to."""
        return self.db_for_read(model)

    def allow_relation(self, first: models.Model, second: models.Model, **hints: Any) -> bool | None:
        """Say nothing: foreign keys between the two databases do not exist."""
        return None

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        """Let each table be made in its own database only."""
        if model_name is None:
            return bool(db == hints.get("alias", "default"))
        return (db == AUDIT_ALIAS) == _is_audit(app_label, model_name)
