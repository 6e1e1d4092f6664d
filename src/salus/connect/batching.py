"""How many messages go into one transaction: as many as keep it short."""


class Batcher:
    """Adapts a batch's size so that its transaction holds the database for about `target` seconds."""

    def __init__(self, *, target: float = 0.04, start: int = 100, least: int = 8, most: int = 2000) -> None:
        self.target = target
        self.least = least
        self.most = most
        self.size = start

    def learn(self, taken: int, held: float) -> None:
        """Take note of how long a batch of `taken` messages held the database, in seconds."""
        if taken <= 0:
            return
        each = max(held, 1e-6) / taken
        wanted = int(self.target / each)
        # Half-way there: one slow commit should not make a run of tiny batches.
        self.size = max(self.least, min(self.most, (self.size + wanted) // 2, self.size * 2))
