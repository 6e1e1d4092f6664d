"""Draws that nobody can steer and anybody can repeat: an order made of revealed nonces. Pure.

Each party's nonce is fixed by its commitment before any is known, so one honest party is enough to make the
seed unpredictable. A party that does not reveal could choose between two seeds by staying silent: the
caller must treat silence as a forfeit, or commit a nonce of its own as well.
Source: coin flipping by commitment, Blum 1981.
"""

import hashlib
from collections.abc import Iterable, Sequence

from salus.kernel.errors import Invalid


def seed(round: str, nonces: Iterable[str]) -> str:
    """Return the seed (64 hex digits) of a round's revealed nonces, in any order.

    Raises:
        Invalid: no nonce was revealed.
    """
    given = sorted(nonces)
    if not given:
        raise Invalid("draw-no-nonce", "A draw needs at least one revealed nonce")
    text = "\n".join(("salus-draw-seed-1", round, str(len(given)), *given))
    return hashlib.sha256(text.encode()).hexdigest()


def order(seed: str, names: Sequence[str]) -> list[str]:
    """Return the names in the order that the seed draws; the first k are a random sample of k.

    The order given does not matter. Each name is placed by its own SHA-256 under the seed, so every order
    is equally likely and a name's place can be checked without the others.

    Raises:
        Invalid: a name stands twice.
    """
    if len(set(names)) != len(names):
        raise Invalid("draw-name-twice", "A name stands twice in the draw")
    return sorted(names, key=lambda name: hashlib.sha256(f"salus-draw-1\n{seed}\n{name}".encode()).digest())
