"""The characters that cut a message up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five (or six) characters that MSH-1 and MSH-2 declare."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding(self) -> str:
        """Return MSH-2."""
        return f"{self.component}{self.repetition}{self.escape}{self.subcomponent}{self.truncation}"


STANDARD = Delimiters()
