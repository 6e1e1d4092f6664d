"""Both engines answer the same to every portable construct."""

import pytest

from salus.engine.contract import Typed
from salus.kernel.errors import SalusError
from tests.engine.cases import EXPRESSIONS, PARAMETERS, STATEMENTS, visits, wards
from tests.engine.parity import Both, both, on_spark

pytestmark = on_spark
__all__ = ["both"]

GIVEN = {**PARAMETERS, "nothing": Typed(None, "DATE")}


@pytest.fixture(name="tables")
def _tables(both: Both) -> Both:
    both.register("t", visits())
    both.register("w", wards())
    return both


def test_expressions(tables: Both) -> None:
    """All expressions in one statement a group of constructs; a difference is then sought one by one."""
    everything = [(name, one) for name, group in EXPRESSIONS.items() for one in group]
    for begin in range(0, len(everything), 80):
        part = everything[begin : begin + 80]
        columns = ", ".join(f"{one} as c{n}" for n, (_, one) in enumerate(part))
        try:
            tables.agree(f"select id, {columns} from t", _given(columns))
        except (AssertionError, SalusError) as together:
            for name, one in part:
                try:
                    tables.agree(f"select id, {one} as x from t", _given(one))
                except (AssertionError, SalusError) as error:
                    pytest.fail(f"{name}: {one}: {error}")
            raise together


@pytest.mark.parametrize("group", STATEMENTS)
def test_statements(tables: Both, group: str) -> None:
    for sql in STATEMENTS[group]:
        tables.agree(sql)


def _given(words: str) -> dict[str, object]:
    return {name: value for name, value in GIVEN.items() if f"${name}" in words}
