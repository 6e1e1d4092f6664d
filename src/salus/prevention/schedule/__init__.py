"""When each service is due: anchors, windows, intervals, catch-up; vaccinations, visits and checks alike.

`assess` tells one resident's services with every reason, `findings` and `due_list` a whole city's at once;
both give the same answers. The schedules themselves are data: `rules/schedule_*.toml`.
"""

from salus.prevention.schedule.batch import Findings, due_list, findings
from salus.prevention.schedule.city import City, city_of
from salus.prevention.schedule.person import (
    REASONS,
    STATUSES,
    Bar,
    Episode,
    Finding,
    Given,
    Resident,
    Verdict,
    assess,
)
from salus.prevention.schedule.rules import Rules, Service, Step, compose, load_rules, parse

__all__ = [
    "REASONS", "STATUSES", "Bar", "City", "Episode", "Finding", "Findings", "Given", "Resident", "Rules",
    "Service", "Step", "Verdict", "assess", "city_of", "compose", "due_list", "findings", "load_rules",
    "parse",
]  # fmt: skip
