"""What every dialect's emitter has in common: walking the IR, binding values, laying out the steps.

A dialect overrides the building blocks and the operations. Every `op_…` method takes the SQL of its
arguments and the operation's detail, and returns SQL.
"""

from collections.abc import Callable, Iterable
from typing import Any

from salus.record.views.errors import ViewError
from salus.record.views.ir import (
    Const,
    Field,
    Filter,
    Fold,
    Ir,
    Let,
    Loop,
    Map,
    Number,
    Op,
    Parse,
    Var,
)
from salus.record.views.plan import ROOT, Branches, Explode, Output, Plan, Rows
from salus.record.views.shape import Shape


class Emitter:
    """Writes SQL for one plan."""

    def __init__(self, plan: Plan, source: str, keep: tuple[str, ...]) -> None:
        self.plan = plan
        self.source = source
        self.keep = keep
        self.names = 0

    # Building blocks that a dialect gives

    def quote(self, name: str) -> str:
        """Return a column name as SQL."""
        raise NotImplementedError

    def literal(self, value: str) -> str:
        """Return a text literal."""
        raise NotImplementedError

    def constant(self, kind: str, value: str) -> str:
        """Return a constant of a kind of leaf."""
        raise NotImplementedError

    def transform(self, items: str, var: str, body: str, index: str = "") -> str:
        """Return `body` for each element."""
        raise NotImplementedError

    def filter(self, items: str, var: str, condition: str, index: str = "") -> str:
        """Return the elements that fulfil a condition."""
        raise NotImplementedError

    def flatten(self, items: str) -> str:
        """Return a list of lists as one list."""
        raise NotImplementedError

    def bind(self, value: str, body: Callable[[str], str]) -> str:
        """Return SQL in which a value is computed once."""
        raise NotImplementedError

    def field(self, base: str, name: str) -> str:
        """Return a property of a struct."""
        raise NotImplementedError

    def parse(self, json: str, shape: Shape) -> str:
        """Return JSON text as structs of a shape."""
        raise NotImplementedError

    def whole(self, json: str, shape: Shape) -> str:
        """Return JSON as structs of a shape that keep their full JSON in `_raw`."""
        raise NotImplementedError

    def fold(self, items: str, total: str, var: str, start: str, body: str, kind: str) -> str:
        """Return a running total over a list."""
        raise NotImplementedError

    def loop(self, start: str, var: str, body: Callable[[str], str], distinct: bool) -> str:
        """Return all that is reached from a list."""
        raise NotImplementedError

    # The IR

    def fresh(self) -> str:
        """Return a name that no other lambda has."""
        self.names += 1
        return f"x{self.names}"

    def emit(self, ir: Ir) -> str:
        """Return an expression's SQL."""
        match ir:
            case Const():
                return self.constant(ir.kind, ir.value)
            case Var():
                return self.quote(ir.name)
            case Field():
                read = self.field(self.emit(ir.base), ir.name)
                return self.whole(read, ir.shape) if not ir.shape.leaf and ir.shape.whole else read
            case Number():
                base = self.emit(ir.base)
                return self.number(base) if ir.shape.digits else base
            case Parse():
                json = self.emit(ir.json)
                return self.whole(json, ir.shape) if ir.shape.whole else self.parse(json, ir.shape)
            case Map():
                made = self.emit(ir.items)
                body = self.emit(ir.body)
                if body != self.quote(ir.var):
                    made = self.transform(
                        made, self.quote(ir.var), body, self.quote(ir.index) if ir.index else ""
                    )
                if ir.flat:
                    made = self.flatten(made)
                elif ir.compact:
                    made = self.op_compact([made], "")
                return made
            case Filter():
                index = self.quote(ir.index) if ir.index else ""
                return self.filter(self.emit(ir.items), self.quote(ir.var), self.emit(ir.condition), index)
            case Let():
                return self.let(self.emit(ir.value), self.quote(ir.var), self.emit(ir.body))
            case Fold():
                return self.fold(
                    self.emit(ir.items),
                    self.quote(ir.total),
                    self.quote(ir.var),
                    self.emit(ir.start),
                    self.emit(ir.body),
                    ir.kind,
                )
            case Loop():
                return self.loop(
                    self.emit(ir.start), self.quote(ir.var), lambda _: self.emit(ir.body), ir.distinct
                )
            case Op():
                return self.operation(ir)
        raise ViewError("unsupported", f"{type(ir).__name__} has no SQL")

    def let(self, value: str, var: str, body: str) -> str:
        """Return SQL in which a variable stands for a value."""
        raise NotImplementedError

    def number(self, text: str) -> str:
        """Return a decimal's text as a number."""
        raise NotImplementedError

    def operation(self, ir: Op) -> str:
        """Return an operation's SQL."""
        made: Any = getattr(self, f"op_{ir.name}", None)
        if made is None:
            raise ViewError("unsupported", f"{ir.name} is not supported in {type(self).__name__[:-7]} SQL")
        return str(made([self.emit(one) for one in ir.args], ir.detail))

    def op_compact(self, args: list[str], detail: str) -> str:
        """Return a list without nulls."""
        var = self.fresh()
        return self.filter(args[0], var, f"{var} is not null")

    # The steps

    def parsed(self) -> str:
        """Return the select that parses each body once, as `_r`, and keeps the resources that count."""
        raise NotImplementedError

    def explode(self, previous: str, columns: list[str], step: Explode) -> str:
        """Return the select that gives a row for each element of a list."""
        raise NotImplementedError

    def cast(self, sql: str, output: Output) -> str:
        """Return a column's value brought to its type."""
        raise NotImplementedError

    def list_of(self, items: Iterable[str]) -> str:
        """Return names with commas."""
        return ", ".join(items)

    def sql(self) -> str:
        """Return the whole statement: one common table expression a step."""
        self.steps: list[tuple[str, str, bool]] = [("resources", self.parsed(), False)]
        name = "resources"
        if self.plan.where:
            conditions = " and ".join(f"coalesce({self.emit(one)}, false)" for one in self.plan.where)
            name = self._add("chosen", f"select * from resources where {conditions}")
        carried = [*map(self.quote, self.keep), self.quote(ROOT)]
        name, columns = self._rows(self.plan.rows, name, carried)
        kept = [*map(self.quote, self.keep), *columns]
        last = f"select {self.list_of(kept)} from {name}"
        parts = [
            f"{one} as {self.materialised() if twice else ''}(\n  {body}\n)"
            for one, body, twice in self.steps
        ]
        return "with " + ",\n".join(parts) + "\n" + last

    def materialised(self) -> str:
        """Return what asks for a step used several times to be computed once, with a space behind it."""
        return ""

    def _add(self, stem: str, body: str) -> str:
        name = f"{stem}_{len(self.steps)}"
        self.steps.append((name, body, False))
        return name

    def _rows(self, rows: Rows, name: str, carried: list[str]) -> tuple[str, list[str]]:
        """Add the steps of some rows; returns the last step and the SQL of each column, in order."""
        carried = list(carried)
        unions: list[str] = []
        for step in rows.steps:
            if isinstance(step, Explode):
                name = self._add("each", self.explode(name, carried, step))
                carried += [self.quote(step.var), self.quote(step.index)]
            elif isinstance(step, Branches):
                name = self._branches(step, name, carried)
                unions += step_names(step)
                carried += [self.quote(one) for one in step_names(step)]
        columns = []
        for output in rows.outputs:
            if isinstance(output, str):
                columns.append(self.quote(output))
            else:
                columns.append(f"{self.cast(self.emit(output.ir), output)} as {self.quote(output.name)}")
        return name, columns

    def _branches(self, step: Branches, name: str, carried: list[str]) -> str:
        place = next(i for i, one in enumerate(self.steps) if one[0] == name)
        if len(step.branches) > 1:
            self.steps[place] = (*self.steps[place][:2], True)
        parts = []
        for branch in step.branches:
            end, columns = self._rows(branch, name, carried)
            parts.append(f"select {self.list_of([*carried, *columns])} from {end}")
        return self._add("either", "\n  union all\n  ".join(parts))


def step_names(step: Branches) -> list[str]:
    """Return the names of the columns that branches give."""
    return [one if isinstance(one, str) else one.name for one in step.branches[0].outputs]
