"""Published settings of detectors, read from the rules."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

RULES = Path(__file__).parent.parent / "rules" / "detection_settings.toml"


@cache
def published() -> dict[str, Any]:
    """Return the settings as the file has them."""
    return tomllib.loads(RULES.read_text("utf-8"))


def farrington_settings(name: str) -> dict[str, Any] | None:
    """Return the settings of Farrington's method of that name, None if there are none."""
    for one in published()["farrington"]:
        if one["name"] == name:
            return {key: value for key, value in one.items() if key not in ("name", "source", "checked")}
    return None


def of_method(name: str) -> dict[str, Any]:
    """Return the settings of another method."""
    found: dict[str, Any] = published()[name]
    return {key: value for key, value in found.items() if key not in ("source", "checked")}
