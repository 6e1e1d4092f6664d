"""What holds for the whole project: pins, sources of facts, sizes, documentation."""

import csv
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from salus.cli import ROOMS, app, mount

ROOT = Path(__file__).resolve().parents[2]
CHECKED = {"read", "memory"}
VOCABULARY = {"policy.toml.conditions", "policy.toml.purposes"}  # the program's own words explained, no facts


def tracked(pattern: str = "*") -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the files that belong to the project are not known")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(("lock", "at_least"), [("requirements.lock", 51), ("requirements-spark.lock", 2)])
def test_every_requirement_is_pinned_with_hashes_and_without_addresses(lock: str, at_least: int) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) >= at_least
    for block in blocks:
        assert re.match(r"[A-Za-z0-9._-]+(\[[^\]]+\])?==\S+", block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_lock_holds_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    assert "pyspark" in (ROOT / "requirements-spark.lock").read_text()
    names = {re.match(r"[A-Za-z0-9._-]+", one).group().lower() for one in declared}  # type: ignore[union-attr]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", lock, re.M)}
    assert names <= pinned


def test_every_rule_names_its_source_and_whether_it_was_read() -> None:
    tables = [path for path in tracked("src/salus/**/rules/**") if path.suffix == ".csv"]
    assert tables, "no rules tables found"
    told = _listed(tables)
    for path in tables:
        if path in told:  # a table of figures of one source, which the list of tables names
            continue
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows, path
        for number, row in enumerate(rows, 2):
            assert (row.get("source") or "").strip(), f"{path.relative_to(ROOT)}:{number} names no source"
            assert row.get("checked") in CHECKED, (
                f"{path.relative_to(ROOT)}:{number} does not say if it was read"
            )


def _listed(tables: list[Path]) -> set[Path]:
    """Return the tables that a list of tables (`*_tables.csv`, itself sourced row by row) names."""
    found = set()
    for path in tables:
        if path.name.endswith("_tables.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                found |= {path.parent / row["table"] for row in csv.DictReader(file)}
    assert not found & {path for path in tables if path.name.endswith("_tables.csv")}
    return found


def _unsourced(node: object, above: bool, where: str) -> list[str]:
    """Return the TOML tables holding values that neither they nor a table above them give a source for."""
    if isinstance(node, list):
        return [found for n, one in enumerate(node) for found in _unsourced(one, above, f"{where}[{n}]")]
    if not isinstance(node, dict):
        return []
    if set(node) == {"title"} and where.split(".")[-2:-1] == ["sources"]:
        return []  # the title of a source, which rows name by its key
    sourced = above or bool(str(node.get("source", "")).strip()) and node.get("checked") in CHECKED
    plain = {key for key, value in node.items() if not isinstance(value, dict | list)}
    found = [] if sourced or not plain or where in VOCABULARY else [where]
    return found + [
        one for key, value in node.items() for one in _unsourced(value, sourced, f"{where}.{key}")
    ]


def test_every_toml_rule_stands_under_a_source() -> None:
    for path in tracked("src/salus/**/rules/**"):
        if path.suffix == ".toml":
            assert not _unsourced(tomllib.loads(path.read_text()), False, path.name), path


def test_no_file_is_longer_than_the_ceiling() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix in {".py", ".html", ".css", ".js", ".sql"} and "/migrations/" not in str(path)
        and (lines := len(path.read_text().splitlines())) > 700
    }  # fmt: skip
    assert not long


def test_every_room_has_a_page_that_the_index_names() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.name == "README.md" or f"({page.name})" in index, f"{page.name} is not in docs/README.md"
    for name in re.findall(r"\(([a-z0-9-]+\.md)\)", index):
        assert (ROOT / "docs" / name).is_file(), f"docs/README.md names {name}, which is not there"


def commands(instance: typer.Typer, above: str) -> Iterator[str]:
    """Yield each command as it is typed."""
    for command in instance.registered_commands:
        assert command.callback is not None
        yield f"{above} {command.name or command.callback.__name__.replace('_', '-')}"
    for group in instance.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{above} {group.name}" if group.name else above)


def test_every_command_is_documented() -> None:
    """The documentation names each command, so that a user can find it."""
    mount(ROOMS)
    text = "\n".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    named = list(commands(app, "salus"))
    assert len(named) > 30
    assert not [name for name in named if not re.search(rf"{re.escape(name)}\b", text)]


def test_the_project_speaks_of_itself_alone() -> None:
    """No address of a package index and no path of a developer's machine stands in a file."""
    pattern = re.compile(rb"files\.pythonhosted|registry\.npmjs|/root/|/home/[a-z]|/work/")
    offending = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path != Path(__file__) and path.suffix != ".mo" and pattern.search(path.read_bytes())
    ]
    assert not offending
