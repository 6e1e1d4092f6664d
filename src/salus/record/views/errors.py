"""The error of this package: a ViewDefinition or a FHIRPath expression that cannot be compiled."""

from salus.kernel.errors import Invalid


class ViewError(Invalid):
    """A ViewDefinition is wrong or asks for something that is not supported.

    `code` is one of "syntax" (not FHIRPath), "structure" (not a ViewDefinition), "unknown-element",
    "unknown-function", "unknown-type", "unknown-constant", "wrong-type", "wrong-arguments", "cardinality",
    "columns" and "unsupported"; `where` is the place in the view ("select[0].column[1].path").
    """

    def at(self, where: str) -> "ViewError":
        """Return the same error with the place in front of what it already says."""
        place = f"{where}: {self.where}" if self.where else where
        return ViewError(self.code, self.message, fix=self.fix, where=place)
