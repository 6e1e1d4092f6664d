"""Commit–reveal: a party binds itself to words that nobody can read before a deadline, nor change after it.

For sealed bids, and for draws that nobody may steer. A *round* has a deadline for commitments and a window
for revealing; a *commitment* is the SHA-256 of the words under a random nonce, so it binds (another
text with the same digest cannot be found) and hides (without the 256 random bits nothing can be guessed
and tried). `hashing` and `draws` are pure and public: anybody can check a published round with them.
`rounds` keeps rounds in the database, whose own triggers refuse what comes late or differs.
"""

from salus.kernel.commit_reveal.draws import order, seed
from salus.kernel.commit_reveal.hashing import Opening, canonical, commit, nonce, opens, root

__all__ = ["Opening", "canonical", "commit", "nonce", "opens", "order", "root", "seed"]
