"""Command line of the room: its engines on a user's own files, and a city's insurance."""

import typer

from salus.insurance import settlement_commands
from salus.insurance.adjudication import commands as adjudication
from salus.insurance.drg import commands as drg
from salus.insurance.eligibility import commands as eligibility
from salus.insurance.payment import commands as payment
from salus.insurance.repricing import commands as repricing
from salus.insurance.review import commands as review
from salus.insurance.tender import commands as tender

app = typer.Typer()

eligibility.add_to(app)
adjudication.add_to(app)
payment.add_to(app)
settlement_commands.add_to(app)
repricing.add_to(app)
review.add_to(app)
app.add_typer(tender.app, name="tender")
drg.add_to(app)
