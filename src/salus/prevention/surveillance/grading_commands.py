"""`salus prevention grade`: events graded on a user's own file, without the platform."""

import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from salus.kernel.errors import Invalid
from salus.prevention.surveillance.grading import Count
from salus.prevention.surveillance.grading_rules import STATUSES

_IN = {
    "event": "the event's number or name; its rows are graded together",
    "kind": "infectious, unexplained, food_poisoning, occupational_poisoning, other_poisoning, vaccination, "
    "healthcare_infection, pathogen_loss, radiation, environment",
    "disease": "the disease's code, of an infectious event",
    "form": "pneumonic, bubonic, cutaneous, intestinal, where it matters",
    "day": "the day (YYYY-MM-DD) on which the row's persons fell ill or died",
    "district": "the place's code (GB/T 2260), six digits or more",
    "unit": "school, company, village or site",
    "status": "suspected, probable or confirmed; confirmed if empty",
    "cases": "persons newly ill",
    "deaths": "persons newly dead",
    "flags": "what a person states of the event, with blanks between; see --schema",
}
_OUT = {
    "event": "the event's number or name",
    "day": "as of when",
    "grade": "I, II, III, IV, NOTICE (to be reported), none; wrong where a row cannot be read",
    "rule": "the rule that decided",
    "clause": "the norm's clause",
    "area": "the place whose persons decided",
    "first": "the first day of the window",
    "last": "the last day of the window",
    "cases": "persons ill in it",
    "deaths": "persons dead in it",
    "needed": "what the rule asks for",
    "mean": "the mean of the five years before, where it is compared",
    "also": "the other rules that are met",
    "rules": "digest of the rules asked",
    "source": "the norm",
    "checked": "read, or memory: whether its text was read",
    "problem": "what is wrong with the event's rows",
}


@dataclass(slots=True)
class _Event:
    kind: str
    disease: str
    flags: set[str] = field(default_factory=set)
    rows: list[Mapping[str, str]] = field(default_factory=list)


def grade(
    events: Annotated[
        Path | None, typer.Argument(help="A CSV file: persons by event, day and place.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the answers go (CSV); the screen if none.")
    ] = None,
    on: Annotated[str, typer.Option(help="Grade as of this day; each event's last day if none.")] = "",
    history: Annotated[
        Path | None,
        typer.Option(help="A CSV file of past cases (disease, day, district, cases) for five-year means."),
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="A file of rules of your own; they win there.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Grade public health emergencies I to IV by the norm in force, with the evidence."""
    from salus.prevention.surveillance import grading as g
    from salus.prevention.surveillance.catalogue import load_catalogue

    book = g.read_rules((*g.STANDARD, *([rules] if rules else [])))
    if schema:
        _print_schema(book.flags)
        return
    if events is None:
        raise Invalid("grading-missing", "Give the file of events", fix="See --help.")
    fixed = date.fromisoformat(on) if on else None
    past: dict[str, list[g.Count]] = defaultdict(list)
    if history is not None:
        for number, row in enumerate(_rows(history, {"disease", "day", "district", "cases"}), 2):
            try:
                past[row["disease"]].append(_count(row))
            except ValueError as error:
                raise Invalid("grading-history", str(error), where=f"{history.name}:{number}") from None
    began = min((one.day for several in past.values() for one in several), default=None)
    diseases = load_catalogue()
    tally: Counter[str] = Counter()
    target = output.open("w", encoding="utf-8", newline="") if output else sys.stdout
    try:
        writer = csv.writer(target)
        writer.writerow(_OUT)
        for name, event in _events(events).items():
            try:
                counts = [_count(row) for row in event.rows]
                day = fixed or max(one.day for one in counts)
                places = {one.district[:6] for one in counts}
                listing = (
                    diseases[event.disease].listed(day) if event.disease in diseases else None
                )  # fmt: skip
                found = g.means_of(past[event.disease], day, known_from=began) if history else {}
                years = max((mean.years for mean in found.values()), default=0)
                found_all = {place: found.get(place, g.Mean(0.0, years)) for place in places}
                answer = g.grade(
                    counts, book, day, kind=event.kind, district=min(places), disease=event.disease,
                    class_=listing.class_ if listing else "", flags=event.flags, means=found_all,
                )  # fmt: skip
            except (Invalid, ValueError) as fault:
                words = fault.message if isinstance(fault, Invalid) else str(fault)
                writer.writerow([name, "", "wrong", *[""] * (len(_OUT) - 4), words])
                tally["wrong"] += 1
                continue
            if answer.grade is None:
                writer.writerow(
                    [name, day, "none", *[""] * 10, answer.version, "", "", ""]
                )  # fmt: skip
                tally["none"] += 1
                continue
            top = answer.met[0]
            asked = [
                *([f"{top.needed} cases"] if top.rule.cases or top.mean else []),
                *([f"{top.rule.deaths} deaths"] if top.rule.deaths else []),
                *([f"{top.rule.areas} places"] if top.rule.areas else []), *sorted(top.rule.flags),
            ]  # fmt: skip
            writer.writerow(
                [
                    name, day, answer.grade.name, top.rule.id, top.rule.clause,
                    top.area or " ".join(top.areas), top.first, top.last, top.cases, top.deaths,
                    "; ".join(asked), "" if top.mean is None else f"{top.mean.cases:g}",
                    " ".join(one.rule.id for one in answer.met[1:]), answer.version, top.rule.source,
                    top.rule.checked, "",
                ]
            )  # fmt: skip
            tally[answer.grade.name] += 1
    finally:
        if output:
            target.close()
    said = ", ".join(f"{count:,} {what}" for what, count in sorted(tally.items())) or "none"
    typer.echo(f"{sum(tally.values()):,} events: {said}", err=True)


def _rows(path: Path, needed: set[str]) -> list[dict[str, str]]:
    if not path.is_file():
        raise Invalid("grading-file", "The file is not there", where=str(path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := needed - set(reader.fieldnames or ()):
            raise Invalid("grading-columns", "A column is missing", where=min(missing), fix="See --schema.")
        return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]


def _events(path: Path) -> dict[str, _Event]:
    found: dict[str, _Event] = {}
    for row in _rows(path, {"event", "kind", "day", "district", "cases"}):
        event = found.setdefault(row["event"], _Event(row["kind"], row.get("disease", "")))
        event.flags.update(row.get("flags", "").split())
        event.rows.append(row)
    return found


def _count(row: Mapping[str, str]) -> Count:
    """Return a row as a count; raises ValueError in words for a reader."""
    try:
        day = date.fromisoformat(row["day"])
        cases, deaths = int(row["cases"] or 0), int(row.get("deaths", "") or 0)
    except ValueError:
        raise ValueError(f"day or a number cannot be read: {row['day']}, {row['cases']}") from None
    district = row["district"]
    if not district.isdigit() or len(district) < 6:
        raise ValueError(f"the district is no code of six digits or more: {district[:20]}")
    status = row.get("status", "") or "confirmed"
    if status not in STATUSES:
        raise ValueError(f"there is no status {status[:20]}")
    return Count(day, district, cases, deaths, row.get("unit", ""), row.get("form", ""), status)


def _print_schema(flags: Mapping[str, tuple[str, str]]) -> None:
    typer.echo("input (CSV, persons of an event by day and place):")
    for name, words in _IN.items():
        typer.echo(f"  {name:10} {words}")
    typer.echo("flags:")
    for name, (words, words_zh) in sorted(flags.items()):
        typer.echo(f"  {name:18} {words} / {words_zh}")
    typer.echo("output (CSV):")
    for name, words in _OUT.items():
        typer.echo(f"  {name:10} {words}")
