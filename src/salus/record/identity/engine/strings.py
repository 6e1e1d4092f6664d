"""String similarity in plain Python, giving the same numbers as DuckDB's functions of the same names."""

from functools import lru_cache


@lru_cache(maxsize=65536)
def jaro_winkler(a: str, b: str) -> float:
    """Return the Jaro–Winkler similarity, 0 to 1 (prefix scale 0.1, at most 4, boosted above 0.7).

    Source: W. E. Winkler, String Comparator Metrics and Enhanced Decision Rules in the
    Fellegi-Sunter Model of Record Linkage (1990).
    """
    jaro = _jaro(a, b)
    if jaro <= 0.7:
        return jaro
    prefix = 0
    for x, y in zip(a[:4], b[:4], strict=False):
        if x != y:
            break
        prefix += 1
    return jaro + prefix * 0.1 * (1.0 - jaro)


def _jaro(a: str, b: str) -> float:
    if a == b:
        return 1.0
    la, lb = len(a), len(b)
    if not la or not lb:
        return 0.0
    window = max(max(la, lb) // 2 - 1, 0)
    taken = [False] * lb
    matched_a: list[str] = []
    for i, char in enumerate(a):
        for j in range(max(0, i - window), min(lb, i + window + 1)):
            if not taken[j] and b[j] == char:
                taken[j] = True
                matched_a.append(char)
                break
    common = len(matched_a)
    if not common:
        return 0.0
    matched_b = [b[j] for j in range(lb) if taken[j]]
    transposed = sum(x != y for x, y in zip(matched_a, matched_b, strict=True)) // 2
    return (common / la + common / lb + (common - transposed) / common) / 3


@lru_cache(maxsize=65536)
def damerau_within(a: str, b: str, limit: int) -> bool:
    """Whether a becomes b by at most `limit` (1 or 2) insertions, deletions, changes or neighbour swaps."""
    if a == b:
        return True
    if abs(len(a) - len(b)) > limit:
        return False
    start, end = 0, 0
    shorter = min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    if max(len(a), len(b)) <= limit:
        return True
    if min(len(a), len(b)) == 0:
        return False
    return _damerau(a, b) <= limit


def _damerau(a: str, b: str) -> int:
    """Unrestricted Damerau–Levenshtein distance (Lowrance and Wagner, 1975)."""
    last_row: dict[str, int] = {}
    far = len(a) + len(b)
    table = [[far] * (len(b) + 2) for _ in range(len(a) + 2)]
    for i in range(len(a) + 1):
        table[i + 1][1] = i
    for j in range(len(b) + 1):
        table[1][j + 1] = j
    for i, char in enumerate(a, 1):
        last_column = 0
        for j, other in enumerate(b, 1):
            row, column = last_row.get(other, 0), last_column
            cost = 1
            if char == other:
                cost, last_column = 0, j
            table[i + 1][j + 1] = min(
                table[i][j] + cost,
                table[i + 1][j] + 1,
                table[i][j + 1] + 1,
                table[row][column] + (i - row - 1) + 1 + (j - column - 1),
            )
        last_row[char] = i
    return table[-1][-1]
