"""Group cases by a compiled scheme on an engine, from and to Arrow or files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from salus.engine.contract import Engine, Source
from salus.insurance.drg.cases import cases_select, opened, refuse_repeated
from salus.insurance.drg.compiled import Compiled, compile_scheme
from salus.insurance.scheme import Scheme, load_scheme

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called before each step with its name, how many are done, and how many there are."""


def group(
    engine: Engine | None,
    cases: Source,
    scheme: Scheme | Compiled | str | Path,
    *,
    clinical: bool = False,
    progress: Progress | None = None,
) -> pa.Table:
    """Return each case's group, ordered by id, with the columns of `salus.insurance.drg`.

    `engine` is where the work is done, or None for one of its own; `cases` are files or an Arrow table, or
    the name of a table registered with the engine. `clinical` maps the cases' codes to insurance codes first.
    Raises `BadCases` for cases without the needed columns or with repeated ids, `BadScheme` for a scheme
    that cannot be read.
    """
    with _ready(engine, cases, scheme, clinical, progress) as (ready, last):
        return ready.run(last)


def write_groups(
    engine: Engine | None,
    cases: Source,
    scheme: Scheme | Compiled | str | Path,
    output: str | Path,
    *,
    clinical: bool = False,
    progress: Progress | None = None,
) -> int:
    """Group as `group` does, write the answer as Parquet, and return how many cases there were."""
    with _ready(engine, cases, scheme, clinical, progress) as (ready, last):
        return ready.write(last, output)


def compiled(scheme: Scheme | Compiled | str | Path, *, clinical: bool = False) -> Compiled:
    """Return a scheme ready to group; one that is ready already is returned as it is."""
    if isinstance(scheme, Compiled):
        return scheme
    return compile_scheme(scheme if isinstance(scheme, Scheme) else load_scheme(scheme), clinical=clinical)


@contextmanager
def _ready(
    engine: Engine | None,
    cases: Source,
    scheme: Scheme | Compiled | str | Path,
    clinical: bool,
    progress: Progress | None,
) -> Iterator[tuple[Engine, str]]:
    """Run all steps but the last and give the engine with the select that ends them."""
    plan = compiled(scheme, clinical=clinical)
    with opened(engine) as ready:
        made: list[str] = []
        try:
            for name, table in plan.tables.items():
                ready.register(name, table)
                made.append(name)
            source = cases if isinstance(cases, str) and _registered(ready, cases) else None
            if source is None:
                ready.register("drg_source", cases)
                made.append("drg_source")
            columns = cases_select(ready.schema(source or "drg_source"), source or "drg_source")
            steps = [("drg_case", columns), *((step.name, step.sql) for step in plan.steps)]
            texts = [sql for _, sql in steps]
            for number, (name, sql) in enumerate(steps[:-1]):
                if progress:
                    progress(name, number, len(steps))
                ready.keep(
                    name,
                    sql,
                    reused=name != "drg_case" and sum(f" {name} " in f"{text} " for text in texts) > 1,
                )
                made.append(name)
                if name == "drg_case":
                    refuse_repeated(ready)
            if progress:
                progress(steps[-1][0], len(steps) - 1, len(steps))
            yield ready, f"{steps[-1][1]} order by p.id"
            if progress:
                progress("", len(steps), len(steps))
        finally:
            for name in reversed(made):
                ready.drop(name)


def _registered(engine: Engine, name: str) -> bool:
    return name.isidentifier() and not Path(name).exists() and name in _names(engine, name)


def _names(engine: Engine, name: str) -> list[str]:
    from salus.kernel.errors import SalusError

    try:
        engine.schema(name)
    except SalusError:
        return []
    return [name]
