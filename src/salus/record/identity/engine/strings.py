"""String similarity in plain Python, giving the same numbers as DuckDB's functions of the same names.

Like DuckDB's they count bytes of UTF-8, since weights are learned there: a Chinese character that is
changed counts as one to three slips.
"""

from functools import lru_cache

_TAKEN = 0xFF  # no byte of UTF-8


@lru_cache(maxsize=65536)
def jaro_winkler(a: str, b: str) -> float:
    """Return the Jaro–Winkler similarity, 0 to 1 (prefix scale 0.1, at most 4, boosted above 0.7).

    Source: W. E. Winkler, String Comparator Metrics and Enhanced Decision Rules in the
    Fellegi-Sunter Model of Record Linkage (1990).
    """
    left, right = _bytes(a), _bytes(b)
    jaro = _jaro(left, right)
    if jaro <= 0.7:
        return jaro
    prefix = 0
    for x, y in zip(left[:4], right[:4], strict=False):
        if x != y:
            break
        prefix += 1
    return jaro + prefix * 0.1 * (1.0 - jaro)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _jaro(a: bytes, b: bytes) -> float:
    la, lb = len(a), len(b)
    if not la or not lb:
        return 0.0
    if a == b:
        return 1.0
    window = max(max(la, lb) // 2 - 1, 0)
    free = bytearray(b)
    matched_a = bytearray()
    for i, byte in enumerate(a):
        j = free.find(byte, max(0, i - window), i + window + 1)
        if j >= 0:
            free[j] = _TAKEN
            matched_a.append(byte)
    common = len(matched_a)
    if not common:
        return 0.0
    matched_b = (byte for byte, left in zip(b, free, strict=True) if left == _TAKEN)
    transposed = sum(x != y for x, y in zip(matched_a, matched_b, strict=True)) // 2
    return (common / la + common / lb + (common - transposed) / common) / 3


@lru_cache(maxsize=65536)
def damerau_within(a: str, b: str, limit: int) -> bool:
    """Whether a becomes b by at most `limit` (1 or 2) insertions, deletions, changes or neighbour swaps.

    The unrestricted distance of Damerau and Levenshtein: two that are swapped may have been apart.
    Source: R. Lowrance and R. A. Wagner, An Extension of the String-to-String Correction Problem (1975).
    """
    return _within(_bytes(a), _bytes(b), limit)


def _within(a: bytes, b: bytes, limit: int) -> bool:
    """Try each slip that can explain the first difference, with one fewer for the rest."""
    if abs(len(a) - len(b)) > limit:
        return False
    start, shorter = 0, min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    if not a or not b or limit == 0:
        return max(len(a), len(b)) <= limit
    left = limit - 1
    if _within(a[1:], b[1:], left) or _within(a[1:], b, left) or _within(a, b[1:], left):
        return True
    if a[:1] == b[1:2] and a[1:2] == b[:1] and _within(a[2:], b[2:], left):
        return True
    # swapped, with one inserted or deleted between
    apart = (a[:2] == b[2::-2] and a[2:] == b[3:]) or (b[:2] == a[2::-2] and b[2:] == a[3:])
    return limit == 2 and apart
