"""A real server process with the sample form: `python -m tests.web.offline.server PORT CONTACTS`."""

import os
import sys
from typing import Any

PASSWORD = "correct horse battery"


def prepare(contacts: int) -> None:
    from django.core.management import call_command

    from salus.kernel.models import Account, RoleGrant
    from tests.web.offline.sample import models

    for alias in ("default", "audit"):
        call_command("migrate", run_syncdb=True, verbosity=0, database=alias)
    for username in ("doctor", "colleague"):
        account = Account(username=username, display_name=username.title())
        account.set_password(PASSWORD)
        account.save()
        RoleGrant.objects.create(account=account, role="village_doctor")
    contact: Any = models.Contact
    contact.objects.bulk_create(
        contact(name=f"Contact {number}", address=f"{number} River Street")
        for number in range(1, contacts + 1)
    )


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.web.offline.settings"
    import django

    django.setup()
    prepare(int(sys.argv[2]))
    import uvicorn
    from django.core.asgi import get_asgi_application

    uvicorn.run(get_asgi_application(), port=int(sys.argv[1]), lifespan="off", log_level="error")


if __name__ == "__main__":
    main()
