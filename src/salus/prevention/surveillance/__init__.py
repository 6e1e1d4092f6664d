"""Case definitions, deadlines and duplicates of notifiable disease as dated rules.

Pure: the same for the city's register and for a user's line list. A disease is one TOML file of
`rules/notifiable`; `Catalogue` reads a folder (or several, a city's own last) and says what held on any day.

    from salus.prevention import surveillance as s
    diseases = s.load_catalogue([s.STANDARD])
    found = s.classify([s.Fact("diagnosis", code="B05.9", day=day)], diseases.on(day)["measles"], day)
    found.status, found.evidence
"""

from salus.prevention.surveillance.catalogue import (
    STANDARD,
    Catalogue,
    Criterion,
    Definition,
    Disease,
    Listing,
    load_catalogue,
)
from salus.prevention.surveillance.classifying import (
    Classification,
    Evidence,
    Fact,
    Status,
    classify,
    diseases_of,
    matches,
)
from salus.prevention.surveillance.deadlines import DeadlineRule, deadline, deadline_rules, follow_until
from salus.prevention.surveillance.linelists import spellings

__all__ = [
    "STANDARD",
    "Catalogue",
    "Classification",
    "Criterion",
    "DeadlineRule",
    "Definition",
    "Disease",
    "Evidence",
    "Fact",
    "Listing",
    "Status",
    "classify",
    "deadline",
    "deadline_rules",
    "diseases_of",
    "follow_until",
    "load_catalogue",
    "matches",
    "spellings",
]
