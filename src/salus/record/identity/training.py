"""Train the weights for arriving records on the installation's own patients, or on a table of them."""

from collections.abc import Iterator, Sequence
from datetime import date

from django.db import connection

from salus.kernel.errors import Invalid
from salus.record.identity import rows
from salus.record.identity.engine.resident import SCHEMA, as_row, unpack
from salus.record.identity.engine.weights import Model
from salus.record.identity.weighing import model_path

LEAST = 5000
_KEPT = {"family_hanzi": 400, "family": 400, "given_hanzi": 1500, "given": 1500}
# What is nearly unique is weighed as such wherever it agrees; a table of a few thousand cannot show it.
_RARE = {"number": 1e-7, "phone": 3e-6, "address": 5e-6}


def arriving_model(
    table: Sequence[Sequence[str]] | Iterator[Sequence[str]], *, today: date, seed: int = 1
) -> Model:
    """Train on rows of `resident.SCHEMA`; keep the frequencies of common name parts only."""
    from salus.record.identity.engine import batch

    people = batch.table(SCHEMA, table, today=today)
    model = batch.train(SCHEMA, people, seed=seed, max_pairs=1e6)
    for column in list(model.terms):
        common = list(model.terms[column].items())[: _KEPT.get(column, 0)]
        model.terms[column] = {term: round(share, 6) for term, share in common}
    model.rare |= _RARE
    model.terms |= {column: {} for column in _RARE}
    return model


def train_from_records(*, today: date, limit: int = 200_000, seed: int = 1) -> Model:
    """Train on patients of the record and put the model in force; raises `Invalid` with fewer than 5,000."""
    with connection.cursor() as cursor:
        found = rows.fetch(
            cursor,
            "select patient_rid, features from record_linkfeatures order by patient_rid desc limit %s",
            [limit],
        )
    if len(found) < LEAST:
        raise Invalid("link-small", "Too few patients to learn weights from", fix=f"It takes {LEAST:,}")
    table = [as_row(str(rid), unpack(bytes(packed))) for rid, packed in found]
    model = arriving_model(table, today=today, seed=seed)
    model.save(model_path())
    return model
