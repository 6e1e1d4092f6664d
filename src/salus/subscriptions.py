"""Who listens to which event: all of it, in one file."""


def register() -> None:
    """Subscribe every room's handlers; also imports the modules that declare periodic jobs."""
    import salus.kernel.jobs  # noqa: F401  declares the kernel's jobs
