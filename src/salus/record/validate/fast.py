"""The compiled validators: they only say whether a resource is beyond reproach, and say it fast.

Each shape becomes a closure over the closures of its properties. Whatever is unusual — an error, an
unknown element, a null — makes them answer no, and `explain` then finds out what and where.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from salus.record.rules.r4 import kinds
from salus.record.validate.primitives import TESTS
from salus.record.validate.schema import ANY_RESOURCE, Field, Shape, shapes

Check = Callable[[Any, int], bool]
DEPTH = 60  # a little less than in `explain`, which then has the last word


def _list_of(one: Check) -> Check:
    def check(value: Any, depth: int) -> bool:
        if value.__class__ is not list or not value:
            return False
        for item in value:
            if not one(item, depth):
                return False
        return True

    return check


def _primitive(field: Field) -> Check:
    test = TESTS[field.type]
    if field.codes is not None and field.type == "code":
        codes = field.codes

        def listed(value: Any, depth: int) -> bool:
            return value.__class__ is str and value in codes

        return listed

    return test


class _Compiler:
    """Compiles shapes on first use. A shape may contain itself: its check is known before it is filled."""

    def __init__(self) -> None:
        self.made: dict[str, Check] = {}
        self.resources = kinds()

    def shape(self, name: str) -> Check:
        """Return the check of a shape."""
        made = self.made.get(name)
        return made if made is not None else self._compile(shapes()[name])

    def resource(self, value: Any, depth: int) -> bool:
        """Check a resource inside a resource."""
        if value.__class__ is not dict:
            return False
        name = value.get("resourceType")
        return name.__class__ is str and name in self.resources and self.shape(name)(value, depth)

    def contained(self, value: Any, depth: int) -> bool:
        """Check a contained resource, which contains none itself."""
        return self.resource(value, depth) and "contained" not in value

    def _field(self, field: Field) -> Check:
        """Return the check of one property's value."""
        if field.type in TESTS:
            one = _primitive(field)
        elif field.type == ANY_RESOURCE:
            one = self.contained if field.name == "contained" else self.resource
        else:
            one = self.shape(field.type)
            if field.codes is not None:
                one = _bound(one, field.codes)
        return _list_of(one) if field.many else one

    def _compile(self, shape: Shape) -> Check:
        checks: dict[str, Check] = {}
        lookup = checks.get
        several = [frozenset(names) for names in shape.required if len(names) > 1]
        choices = [frozenset(names) for names in shape.choices]
        required = frozenset(names[0] for names in shape.required if len(names) == 1)

        def check(value: Any, depth: int) -> bool:
            if value.__class__ is not dict or not value or depth > DEPTH:
                return False
            depth += 1
            for name, inner in value.items():
                test = lookup(name)
                if test is None or not test(inner, depth):
                    return False
            return value.keys() >= required

        def check_choices(value: Any, depth: int) -> bool:
            if not check(value, depth):
                return False
            for names in several:
                if names.isdisjoint(value):
                    return False
            for names in choices:
                if len(names & value.keys()) > 1:
                    return False
            return True

        made = self.made[shape.name] = check_choices if choices or several else check
        if shape.resource:
            checks["resourceType"] = lambda value, depth: bool(value == shape.name)
        for name, field in shape.fields.items():
            checks[name] = self._field(field)
            if field.type in TESTS and not field.many and not field.choice and name != "id":
                checks[f"_{name}"] = self.shape("Element")
        return made


def _bound(one: Check, codes: frozenset[str]) -> Check:
    """Add a required code list to a Coding or CodeableConcept."""

    def check(value: Any, depth: int) -> bool:
        if not one(value, depth):
            return False
        codings = value.get("coding", ()) if "code" not in value else (value,)
        return any(coding.get("code") in codes for coding in codings)

    return check


@cache
def _compiler() -> _Compiler:
    return _Compiler()


def sound(resource: dict[str, Any]) -> bool:
    """Return whether nothing at all is to be said about a resource. False is not yet an error."""
    return _compiler().resource(resource, 1)
