"""The errors that Salus raises: a stable code, what was wrong, where, and what to do."""


class SalusError(Exception):
    """An error with a stable code that a program can test and words that a person can act on.

    `code` is kebab-case and never changes; `message` says what was wrong without any resident's
    identifiers; `where` names the field, line or segment; `fix` says what to do.
    """

    def __init__(self, code: str, message: str, *, fix: str = "", where: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        parts = [f"{self.message}"]
        if self.where:
            parts.append(f"at {self.where}")
        if self.fix:
            parts.append(self.fix)
        return " — ".join(parts)


class NotAllowed(SalusError):
    """The policy refused."""


class NotFound(SalusError):
    """The thing asked for is not there, or the asker may not know that it is."""


class Conflict(SalusError):
    """The request clashes with the present state."""


class Invalid(SalusError):
    """The input breaks a rule."""
