"""Clinical documents (CDA, and the shared documents of WS/T 500): kept whole, their header indexed."""

from salus.connect.documents.translate import translate

__all__ = ["translate"]
