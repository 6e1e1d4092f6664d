"""Random substreams: each room and block draws from its own, so no room can disturb another's output."""

from hashlib import blake2b

import numpy as np


def substream(seed: int, room: str, block: int = 0) -> np.random.Generator:
    """Return the generator that one room uses in one block of households.

    `seed` is the city's seed, `room` a stable name ("people", "care", …), `block` the block's number.
    The same three give the same draws on every machine and in every process, whatever else is drawn.
    Source: Salmon et al. 2011 (Philox, counter-based); numpy's SeedSequence mixes the three.
    """
    key = int.from_bytes(blake2b(room.encode(), digest_size=8).digest())
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, key, block])))
