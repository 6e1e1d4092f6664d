"""Command line of the room: linking any table of people, without the platform."""

import typer

from salus.record.identity import commands as identity

app = typer.Typer()
identity.add_to(app)
