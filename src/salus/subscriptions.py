"""Who listens to which event: all of it, in one file."""


def register() -> None:
    """Subscribe every room's handlers; also imports the modules that declare periodic jobs."""
    import salus.kernel.jobs  # noqa: F401  declares the kernel's jobs
    import salus.prevention.services.notifiable.arising  # noqa: F401  declares the reading of the record
    import salus.prevention.services.programme.arising  # noqa: F401  declares the keeping of registers
    import salus.prevention.services.signals.running  # noqa: F401  declares the daily run of detection
    from salus.insurance.events import ClaimDecided, MembershipChanged
    from salus.insurance.services import fhir_record
    from salus.kernel import events
    from salus.prevention.events import CaseClassified, OutbreakOpened
    from salus.prevention.services.emergencies import watching

    events.subscribe(ClaimDecided, fhir_record.keep, "insurance.fhir")
    events.subscribe(MembershipChanged, fhir_record.keep_membership, "insurance.coverage")
    events.subscribe(CaseClassified, watching.case_changed, "prevention.emergencies", from_now=True)
    events.subscribe(OutbreakOpened, watching.outbreak_opened, "prevention.emergencies", from_now=True)
