"""A synthetic tender round with known truth: what was reported, what is bid, and how each bid must end.

Each group is of one kind, so that its outcome follows from how it was made and not from any engine: prices
rise in known steps, and what the kind plants (a bid exactly at 1.8 times the lowest, one above the ceiling,
two equal prices) stands at a known place.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from salus.city.facts import rows
from salus.city.streams import substream
from salus.kernel.errors import Invalid
from salus.kernel.money import to_yuan

KINDS = ("plain", "edge", "dear", "cut", "penny", "ceiling", "unqualified", "tie", "strengths")
"""What is planted in a group; `strengths` bids half of the offers at twice the reference strength."""
_WINNERS = {1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 8: 5}
_MOST = 12
_PACK = 10
BIDS = (
    "group",
    "supplier",
    "strength",
    "pack",
    "price",
    "qualified",
    "evaluated",
    "capacity",
    "regions",
    "demand",
)
GROUPS = ("group", "reference", "pack", "ceiling", "old_price", "molecule", "molecule_zh", "kind")
DEMAND = ("group", "institution", "region", "strength", "pack", "packs")
TRUTH = ("group", "supplier", "reason", "rank")


@dataclass(slots=True)
class Round:
    """The rows of a round: bids, groups, demand, and the truth about every bid."""

    bids: list[dict[str, object]] = field(default_factory=list)
    groups: list[dict[str, object]] = field(default_factory=list)
    demand: list[dict[str, object]] = field(default_factory=list)
    truth: list[dict[str, object]] = field(default_factory=list)


def tender_round(seed: int, groups: int = 60, institutions: Sequence[tuple[str, str]] | None = None) -> Round:
    """Draw a round; the same seed gives the same round.

    Args:
        seed: of the city.
        groups: how many groups; the kinds take turns.
        institutions: code and region of each that reports; a dozen in four regions without them.
    """
    if not 1 <= groups <= 10_000:
        raise Invalid("tender-groups", "A round has 1 to 10,000 groups", where="groups")
    places = institutions or [(f"H{n:03}", f"R{n % 4}") for n in range(12)]
    medicines = list(rows("medicines"))
    made = Round()
    for number in range(groups):
        random = substream(seed, "insurance.tender", number)
        medicine = medicines[number % len(medicines)]
        _group(made, f"G{number:05}", KINDS[number % len(KINDS)], medicine["en"], medicine["zh"], random)
        for institution, region in places:
            if random.random() < 0.8:
                strength, pack = (("5 mg", 28), ("10 mg", 14))[int(random.integers(2))]
                made.demand.append(
                    {
                        "group": f"G{number:05}", "institution": institution, "region": region,
                        "strength": strength, "pack": pack, "packs": int(random.integers(1, 5000)),
                    }
                )  # fmt: skip
    return made


def _group(
    made: Round, code: str, kind: str, molecule: str, molecule_zh: str, random: np.random.Generator
) -> None:
    """Draw one group; prices are fen for ten units of 5 mg, so a unit costs thousandths of a yuan."""
    count = int(random.integers(2, _MOST)) if kind != "plain" else int(random.integers(1, _MOST))
    low = 10 * int(random.integers(50, 500)) if kind != "penny" else 40
    # Rising steps that end under 1.8 times the lowest, so that each would win if there were room.
    room = (low * 8) // 10 - 2
    steps = np.sort(random.choice(np.arange(1, max(room, count)), size=count - 1, replace=False))
    prices = [low, *(low + int(step) for step in steps)]
    ceiling = 40 * low
    allowed = _WINNERS.get(count, 6)
    last = allowed - 1  # the dearest place that is shortlisted: what is planted stands there
    reasons = ["winner" if place < allowed else "beyond-number" for place in range(count)]
    extra: list[tuple[int, str, str]] = []
    if kind == "edge" and last:
        prices[last:] = [low * 18 // 10 + place for place in range(count - last)]
    elif kind in ("dear", "cut") and last:
        prices[last:] = [low * 18 // 10 + 1 + place for place in range(count - last)]
        ceiling = 2 * prices[last] - (1 if kind == "dear" else 0)
        reasons[last] = "above-multiple" if kind == "dear" else "winner"
    elif kind == "penny" and last:
        prices[last:] = [100 + place for place in range(count - last)]
        ceiling = 150
    elif kind == "ceiling":
        ceiling = max(prices)
        extra = [(ceiling + 1, "yes", "above-ceiling")]
    elif kind == "unqualified":
        extra = [(max(1, low - 1), "no", "not-qualified")]
    elif kind == "tie" and count > 1:
        prices[1] = prices[0]
    made.groups.append(
        {
            "group": code, "reference": "5 mg", "pack": _PACK, "ceiling": to_yuan(ceiling),
            "old_price": to_yuan(ceiling * 2), "molecule": molecule, "molecule_zh": molecule_zh, "kind": kind,
        }
    )  # fmt: skip
    offers = [(price, "yes", reason) for price, reason in zip(prices, reasons, strict=True)] + extra
    names = [f"M{n:02}" for n in random.permutation(len(offers))]
    for place in random.permutation(len(offers)):
        price, qualified, reason = offers[place]
        double = kind == "strengths" and price % 10 == 0 and bool(place % 2)
        made.bids.append(
            {
                "group": code, "supplier": names[place], "strength": "10 mg" if double else "5 mg",
                "pack": _PACK, "price": to_yuan(price * 17 // 10 if double else price),
                "qualified": qualified, "evaluated": "2019-06-01", "capacity": "",
                "regions": "", "demand": 1000 - int(place),
            }
        )  # fmt: skip
    made.truth += [
        {
            "group": code, "supplier": names[place], "reason": reason,
            "rank": place + 1 if place < count else "",
        }
        for place, (_price, _qualified, reason) in enumerate(offers)
    ]  # fmt: skip


def write_round(out: Path, seed: int, groups: int = 60) -> Round:
    """Write a round's bids, groups, demand and, apart, its truth as CSV into a folder that must not exist."""
    if out.exists():
        raise Invalid("city-exists", "The folder is there already", where=str(out), fix="Name a new one")
    made = tender_round(seed, groups)
    (out / "truth").mkdir(parents=True)
    for path, columns, lines in (
        ("bids.csv", BIDS, made.bids), ("groups.csv", GROUPS, made.groups),
        ("demand.csv", DEMAND, made.demand), ("truth/decisions.csv", TRUTH, made.truth),
    ):  # fmt: skip
        with (out / path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(lines)
    return made


def tender(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("tender"),
    groups: Annotated[int, typer.Option(help="1 to 10,000 groups.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same round.")] = 1,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print what is written, and write nothing.")
    ] = False,
) -> None:
    """Write a tender round: bids, groups and demand for `salus insurance tender run`, and how it must end."""
    from rich.console import Console

    console = Console()
    if schema:
        for name, columns in (
            ("bids", BIDS),
            ("groups", GROUPS),
            ("demand", DEMAND),
            ("truth/decisions", TRUTH),
        ):
            console.print(f"[bold]{name}.csv[/bold]\n  {', '.join(columns)}", highlight=False, soft_wrap=True)
        return
    made = write_round(out, seed, groups)
    console.print(f"{len(made.bids):,} bids for {len(made.groups):,} groups in {out}")


def add_to(app: typer.Typer) -> None:
    """Add the command to the city's command line."""
    app.command("tender")(tender)
