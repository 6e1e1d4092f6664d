"""Command line of the room: its engines on a user's own files."""

import typer

from salus.prevention.detection import commands as detection
from salus.prevention.detection import space_commands as space
from salus.prevention.growth import commands as growth
from salus.prevention.schedule import commands as schedule
from salus.prevention.surveillance import commands as surveillance
from salus.prevention.transmission import commands as transmission

app = typer.Typer()

for part in (detection, space, transmission, surveillance, schedule, growth):
    part.add_to(app)
