"""The lake's jobs of SQL steps: the `.sql` files beside this one, the same on either engine. Pure."""

from importlib.resources import files

from salus.engine.jobs import Job, load_job


def sql_job(name: str) -> Job:
    """Return one of the jobs: anonymity, population, timeliness."""
    return load_job(str(files("salus.record.lake").joinpath(f"{name}.sql")))
