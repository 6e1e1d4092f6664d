"""The synthetic city with known truth: one file a room.

Made for demonstrations, tests and benchmarks: its people never lived. `build` writes the registers, the
source systems with their mappings, two years of message files and, apart from them, the truth;
`tables.build.build_tables` writes the same city as the lake's tables.
Words: a *block* is a group of households drawn together; a *desk* is where patients are registered,
shared by the systems behind it; a *chart* is one patient record of a desk and a *sheet* one state of it;
a *sighting* is a system's naming a resident; a *substream* is a room's own randomness in a block.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salus.city.assembly import Manifest, Progress


def build(
    out_dir: Path, residents: int, seed: int, progress: "Progress | None" = None, **options: Any
) -> "Manifest":
    """Build a city under `out_dir`; see `salus.city.assembly.build` for the options."""
    from salus.city.assembly import build as build_city

    return build_city(out_dir, residents, seed, progress, **options)
