"""Command line of the room: linking any table of people, without the platform; the record's tables."""

import typer

from salus.record.identity import commands as identity
from salus.record.lake.commands import app as lake_app
from salus.record.terminology.commands import app as terminology_app

__all__ = ["app", "lake_app"]

app = typer.Typer()
identity.add_to(app)
app.add_typer(terminology_app, name="terminology")
