"""Migrations that make their new tables together.

Django renders its models again after each operation, and every model that refers to them. With some hundred
models around the register of institutions that is nearly all the time that a fresh installation takes. Here
operations that only make new tables are taken together: the models are rendered once, and each table is made
as it stands at their end, with its indexes and constraints.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

_Added = migrations.AddField | migrations.AddIndex | migrations.AddConstraint


class Migration(migrations.Migration):
    """A migration as Django's, faster where it makes several tables; undone as Django does."""

    def apply(
        self, project_state: ProjectState, schema_editor: BaseDatabaseSchemaEditor, collect_sql: bool = False
    ) -> ProjectState:
        """Change the database and the state; with `collect_sql` one operation at a time, as Django does."""
        if collect_sql:
            return super().apply(project_state, schema_editor, collect_sql)
        for together, operations in _runs(self.operations):
            if together:
                project_state = self._make(operations, project_state, schema_editor)
            else:
                part = type(
                    "Part", (migrations.Migration,), {"operations": operations, "atomic": self.atomic}
                )
                project_state = part(self.name, self.app_label).apply(project_state, schema_editor)
        return project_state

    def _make(
        self, operations: Sequence[Operation], state: ProjectState, schema_editor: BaseDatabaseSchemaEditor
    ) -> ProjectState:
        before = state.clone()
        state.__dict__.pop("apps", None)  # not rendered again before all models are known
        for operation in operations:
            operation.state_forwards(self.app_label, state)
        for operation in operations:
            if isinstance(operation, migrations.CreateModel):
                operation.database_forwards(self.app_label, schema_editor, before, state)
        return state


def _runs(operations: Sequence[Operation]) -> Iterator[tuple[bool, list[Operation]]]:
    """Part operations into runs that can be taken together, and those that cannot."""
    made: set[str] = set()

    def only_makes(operation: Operation) -> bool:
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name_lower)
            return True
        if not isinstance(operation, _Added):
            made.clear()  # what stands before this is the database's already
            return False
        if operation.model_name.lower() in made:
            return True
        made.clear()
        return False

    for together, run in groupby(operations, only_makes):
        yield together, list(run)
