"""The ground the city stands on: districts and streets with polygons, and a road network.

The city, its districts and its codes are invented. GB/T 2260 has no prefecture 3280 (nor any numbered
80 to 89), and the coordinates lie in the open East China Sea, so nothing here names a real place.
"""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from salus.city.facts import Floats, draw
from salus.city.streams import substream

CITY_CODE = "328000"
CITY_NAME = ("临澜市", "Linlan City")
CENTRE = (124.6, 30.2)
KM_PER_DEGREE = (96.2, 110.9)
"""Length of a degree of longitude and latitude at the city's latitude, in km."""

DISTRICTS = (
    ("云桥区", "Yunqiao"), ("青屿区", "Qingyu"), ("松滩区", "Songtan"),
    ("白榆区", "Baiyu"), ("南浦湾区", "Nanpuwan"),
    ("望潮区", "Wangchao"), ("石泉岭区", "Shiquanling"), ("荷渡区", "Hedu"),
    ("东麓区", "Donglu"), ("沙洲港区", "Shazhougang"),
    ("梧岗区", "Wugang"), ("北堰区", "Beiyan"), ("竹溪湾区", "Zhuxiwan"),
    ("杏塘区", "Xingtang"), ("鹭林区", "Lulin"),
    ("金茅区", "Jinmao"),
)  # fmt: skip
STREETS = (
    "朝阳",
    "建设",
    "和平",
    "长乐",
    "新华",
    "桥头",
    "湖滨",
    "东门",
    "西园",
    "南山",
    "北苑",
    "永安",
    "文昌",
    "光明",
)
STREETS_EN = ("Chaoyang", "Jianshe", "Heping", "Changle", "Xinhua", "Qiaotou", "Hubin", "Dongmen", "Xiyuan",
"Nanshan",
              "Beiyuan", "Yong'an", "Wenchang", "Guangming")  # fmt: skip
ROADS = ("解放路", "人民路", "中山路", "学府路", "滨河路", "迎宾路", "育才路", "工农路", "胜利路", "花园路",
         "书院路", "环城路",
         "春晖路", "银杏路", "海棠路", "丰收路", "兴业路", "青年路", "康宁路", "德胜路")  # fmt: skip

LEVELS = {2: "city", 3: "district", 4: "street"}

Polygon = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Area:
    """A district (level 3) or street (level 4); `polygon` has shape (points, 2), longitude and latitude."""

    code: str
    name: str
    name_en: str
    level: int
    parent: str
    polygon: Polygon
    weight: float


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything drawn once for the city."""

    districts: tuple[Area, ...]
    streets: tuple[Area, ...]
    outline: Polygon
    street_weights: Floats
    street_district: NDArray[np.int64]
    populations: dict[str, int] = field(default_factory=dict)


def district_count(residents: int) -> int:
    """Return how many districts a city of this size has."""
    for limit, count in ((2_000, 4), (50_000, 6), (500_000, 8), (3_000_000, 12)):
        if residents < limit:
            return count
    return len(DISTRICTS)


def clip(polygon: Polygon, a: Polygon, b: Polygon) -> Polygon:
    """Return the part of a convex polygon nearer to point `a` than to `b`.

    Source: Sutherland and Hodgman 1974, one half-plane.
    """
    normal, middle = b - a, (a + b) / 2
    side = (polygon - middle) @ normal
    kept: list[Any] = []
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if side[i] <= 0:
            kept.append(polygon[i])
        if (side[i] < 0 < side[j]) or (side[j] < 0 < side[i]):
            kept.append(polygon[i] + (polygon[j] - polygon[i]) * (side[i] / (side[i] - side[j])))
    return np.array(kept) if kept else np.empty((0, 2))


def cells(outline: Polygon, seeds: Polygon) -> list[Polygon]:
    """Return the Voronoi cell of each seed inside a convex outline; together they tile it."""
    tiles = []
    for i, seed in enumerate(seeds):
        tile = outline
        for j, other in enumerate(seeds):
            if i != j and len(tile):
                tile = clip(tile, seed, other)
        tiles.append(tile)
    return tiles


def inside(polygon: Polygon, count: int, rng: np.random.Generator) -> Polygon:
    """Draw `count` points uniformly inside a convex polygon, shape (count, 2)."""
    first = polygon[0]
    u, v = polygon[1:-1] - first, polygon[2:] - first
    triangle = draw(rng, np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]), count)
    r = rng.random((count, 2))
    r = np.where((r.sum(axis=1) > 1)[:, None], 1 - r, r)
    return np.asarray(first + r[:, :1] * u[triangle] + r[:, 1:] * v[triangle])


def _relaxed(outline: Polygon, count: int, rng: np.random.Generator) -> Polygon:
    """Return seeds moved twice to the middle of their cells, so that no district is a sliver."""
    seeds = inside(outline, count, rng)
    for _ in range(2):
        seeds = np.array(
            [
                tile.mean(axis=0) if len(tile) else seed
                for tile, seed in zip(cells(outline, seeds), seeds, strict=True)
            ]
        )
    return seeds


def ground(seed: int, residents: int) -> Ground:
    """Draw the city's outline, districts and streets."""
    rng = substream(seed, "geography")
    radius_km = 3.0 + 0.011 * residents**0.5
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    stretch = 1 + 0.35 * np.cos(angles - rng.random() * 6) ** 2
    outline = np.array(CENTRE) + np.stack(
        [
            np.cos(angles) * stretch * radius_km / KM_PER_DEGREE[0],
            np.sin(angles) * radius_km / KM_PER_DEGREE[1],
        ],
        axis=1,
    )
    outline = _hull(outline)
    count = district_count(residents)
    seeds = _relaxed(outline, count, rng)
    distance = np.hypot(*((seeds - np.array(CENTRE)) * KM_PER_DEGREE).T) / radius_km
    weights = np.exp(-1.1 * distance) * rng.uniform(0.75, 1.25, count)
    districts, streets = [], []
    for i, (tile, weight) in enumerate(zip(cells(outline, seeds), weights / weights.sum(), strict=True)):
        name, english = DISTRICTS[i]
        code = f"{CITY_CODE[:4]}{i + 2:02d}"
        districts.append(Area(code, name, f"{english} District", 3, CITY_CODE, tile, float(weight)))
        parts = int(np.clip(residents * weight / 900, 2, len(STREETS)))
        share = rng.dirichlet(np.full(parts, 8.0))
        order = rng.permutation(len(STREETS))[:parts]
        for k, (part, s) in enumerate(zip(cells(tile, _relaxed(tile, parts, rng)), share, strict=True)):
            streets.append(
                Area(
                    f"{code}{k + 1:03d}",
                    f"{STREETS[order[k]]}街道",
                    f"{STREETS_EN[order[k]]} Subdistrict",
                    4,
                    code,
                    part,
                    float(weight * s),
                )
            )
    index = {district.code: i for i, district in enumerate(districts)}
    return Ground(
        tuple(districts),
        tuple(streets),
        outline,
        np.array([street.weight for street in streets]),
        np.array([index[street.parent] for street in streets]),
    )


def _hull(points: Polygon) -> Polygon:
    from scipy.spatial import ConvexHull

    return np.asarray(points[ConvexHull(points).vertices])


def _feature(
    code: str, name: str, name_en: str, level: int, parent: str, polygon: Polygon, population: int | None
) -> dict[str, Any]:
    ring = [[round(float(x), 6), round(float(y), 6)] for x, y in polygon]
    return {
        "type": "Feature",
        "properties": {
            "code": code,
            "name": name,
            "name_en": name_en,
            "level": LEVELS[level],
            "parent": parent,
            "population": population,
        },
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
    }


def write_districts(place: Ground, residents: int, path: Path) -> None:
    """Write the city, its districts and streets as GeoJSON (RFC 7946), parents before children."""
    features = [_feature(CITY_CODE, *CITY_NAME, 2, "", place.outline, residents)]
    for area in (*place.districts, *place.streets):
        features.append(
            _feature(
                area.code,
                area.name,
                area.name_en,
                area.level,
                area.parent,
                area.polygon,
                round(area.weight * residents),
            )
        )
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def write_roads(place: Ground, residents: int, seed: int, folder: Path) -> int:
    """Write the road network as `road_nodes.csv` and `road_edges.csv`; return the number of nodes.

    Edges are undirected, once each: metres along the road and minutes to drive it unhindered.
    Nodes are junctions, denser where people live; edges a Delaunay net without its longest tenth.
    """
    rng = substream(seed, "roads")
    count = int(np.clip(250 + residents / 300, 300, 40_000))
    street = draw(rng, place.street_weights, count)
    nodes = np.empty((count, 2))
    for i, area in enumerate(place.streets):
        chosen = np.flatnonzero(street == i)
        if len(chosen):
            nodes[chosen] = inside(area.polygon, len(chosen), rng)
    triangles = Delaunay(nodes).simplices
    pairs = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]]), axis=1),
        axis=0,
    )
    metres = (
        np.hypot(*((nodes[pairs[:, 0]] - nodes[pairs[:, 1]]) * KM_PER_DEGREE).T)
        * 1000
        * rng.uniform(1.05, 1.35, len(pairs))
    )
    kept = _connected(pairs, metres, count)
    pairs, metres = pairs[kept], metres[kept]
    kind = draw(rng, [0.1, 0.3, 0.6], len(pairs))
    minutes = metres / 1000 / np.array([60.0, 40.0, 25.0])[kind] * 60
    with (folder / "road_nodes.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("node", "longitude", "latitude", "district"))
        out.writerows(
            (i, f"{x:.6f}", f"{y:.6f}", place.streets[street[i]].parent) for i, (x, y) in enumerate(nodes)
        )
    with (folder / "road_edges.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("from_node", "to_node", "metres", "minutes", "kind"))
        names = ("arterial", "collector", "local")
        out.writerows(
            (a, b, round(m), f"{t:.2f}", names[k])
            for (a, b), m, t, k in zip(
                pairs.tolist(), metres.tolist(), minutes.tolist(), kind.tolist(), strict=True
            )
        )
    return count


def _connected(pairs: NDArray[Any], metres: Floats, count: int) -> NDArray[np.bool_]:
    """Return which edges stay: the shorter nine tenths and every edge of the minimum spanning tree."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    tree = minimum_spanning_tree(
        coo_matrix((metres, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    ).tocoo()
    wanted = {(int(a), int(b)) for a, b in zip(tree.row, tree.col, strict=True)}
    limit = np.quantile(metres, 0.9)
    return np.array(
        [m <= limit or (int(a), int(b)) in wanted for (a, b), m in zip(pairs, metres, strict=True)]
    )
