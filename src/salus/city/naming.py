"""Names: surnames and given-name characters at their frequencies, their pinyin and their homophones."""

from functools import cache

import numpy as np

from salus.city.facts import draw, rows, table


@cache
def homophones() -> dict[str, tuple[str, ...]]:
    """Return, for each given-name character, the other characters that sound like it (may be empty)."""
    sounds: dict[str, list[str]] = {}
    for row in rows("given_characters"):
        sounds.setdefault(row["pinyin"], []).append(row["character"])
    return {c: tuple(o for o in same if o != c) for same in sounds.values() for c in same}


@cache
def _characters() -> tuple[tuple[str, ...], dict[str, str]]:
    facts = rows("given_characters")
    return tuple(row["character"] for row in facts), {row["character"]: row["pinyin"] for row in facts}


class Namer:
    """Draws the names of a block; all lots are drawn at once, one row a resident."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self._surnames = rows("surnames")
        self._surname = draw(rng, table("surnames", "percent")[:, 0], count)
        shares = table("given_characters", "male_percent", "female_percent")
        self._given = np.stack([draw(rng, shares[:, sex], 4 * count).reshape(count, 4) for sex in (0, 1)])
        self.lots = rng.random((count, 5))

    def surname(self, person: int) -> tuple[str, str]:
        """Return a drawn surname and its pinyin."""
        row = self._surnames[self._surname[person]]
        return row["surname"], row["pinyin"].capitalize()

    def given(self, person: int, female: bool, shared: str = "") -> tuple[str, str]:
        """Return a given name of one or two characters (the first may be a sibling's) and its pinyin."""
        characters, sounds = _characters()
        picked = [characters[i] for i in self._given[int(female), person, :2]]
        if shared:
            picked[0] = shared
        text = picked[0] if self.lots[person, 0] < 0.13 and not shared else picked[0] + picked[1]
        return text, "".join(sounds[c] for c in text).capitalize()

    def other(self, person: int, female: bool) -> tuple[str, str]:
        """Return a second drawing, for a child whose sibling already has the first."""
        characters, sounds = _characters()
        text = "".join(characters[i] for i in self._given[int(female), person, 2:])
        return text, "".join(sounds[c] for c in text).capitalize()
