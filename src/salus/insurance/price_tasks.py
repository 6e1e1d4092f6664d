"""What a worker does for the pages of prices: work out a study."""

from django_tasks import task

from salus.insurance.services import prices


@task()
def run_study(study_id: int) -> None:
    """Work out a study of new prices."""
    prices.run_study(study_id)
