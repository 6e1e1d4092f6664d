"""`python -m salus.record.fhir.writer NUMBER`: sets Django up, then does the writes that a socket brings."""

import asyncio
import os
import signal
import sys


def main(number: int) -> None:
    """Do the writes that come over a socket until it ends."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # whoever stops the server stops this by the socket
        signal.signal(sign, signal.SIG_IGN)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    import django

    django.setup()
    from salus.kernel.collector import calm_collector
    from salus.record.fhir.committing import serve

    calm_collector()
    try:
        import uvloop
    except ImportError:  # not made for this system
        asyncio.run(serve(number))
    else:
        uvloop.run(serve(number))


if __name__ == "__main__":
    main(int(sys.argv[1]))
