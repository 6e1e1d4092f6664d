"""`salus connect listen` and `salus connect send`."""

import asyncio
import json
import signal
import ssl
import statistics
import sys
from pathlib import Path
from typing import Annotated

import typer

from salus.connect.mllp.sending import Sent, send
from salus.connect.mllp.server import Limits, MllpServer, server_tls
from salus.kernel.errors import Invalid

MEBIBYTE = 1024 * 1024


def attach(app: typer.Typer) -> None:
    """Add the listener's and the sender's command to a room's commands."""
    app.command("listen")(listen)
    app.command("send")(send_files)


def listen(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 2575,
    source: Annotated[
        str, typer.Option(help="The source system that every message is of; else each names its own.")
    ] = "",
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key of the certificate (PEM).")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="Authority (PEM) whose certificates clients must have.")
    ] = None,
    max_mb: Annotated[int, typer.Option(min=1, max=1024, help="The longest message, in MiB.")] = 32,
    idle_timeout: Annotated[float, typer.Option(help="Seconds of silence that end a connection.")] = 3600,
) -> None:
    """Listen for HL7 v2 over MLLP; a message is acknowledged after it is committed."""
    if (certificate is None) != (key is None) or (client_ca is not None and certificate is None):
        raise Invalid("bad-tls", "A certificate needs its key, and a client authority needs both")
    tls: ssl.SSLContext | None = None
    if certificate is not None and key is not None:
        try:
            tls = server_tls(str(certificate), str(key), str(client_ca) if client_ca else None)
        except (OSError, ssl.SSLError) as error:
            raise Invalid("bad-tls", f"The certificate cannot be used ({type(error).__name__})") from None
    import django

    django.setup()  # the server starts this command in a process of its own
    from salus.connect.mllp.reception import receiver
    from salus.kernel.collector import calm_collector

    calm_collector()
    limits = Limits(max_bytes=max_mb * MEBIBYTE, idle_timeout=idle_timeout)
    server = MllpServer(receiver(source or None), host, port, ssl_context=tls, limits=limits)
    _run(server)


def _run(server: MllpServer) -> None:
    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for told in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(told, stop.set)
        try:
            await server.start()
        except OSError as error:
            raise Invalid(
                "port-taken", f"Cannot listen on {server.host}:{server.port} ({error.strerror})"
            ) from None
        typer.echo(f"listening on {server.host}:{server.port}", err=True)
        await stop.wait()
        await server.stop()

    if sys.platform == "win32":
        asyncio.run(until_told())
    else:
        import uvloop

        uvloop.run(until_told())


def send_files(
    paths: Annotated[list[Path], typer.Argument(help="Files of HL7 v2 messages.")],
    to: Annotated[str, typer.Option(help="host:port of the listener.")] = "127.0.0.1:2575",
    connections: Annotated[int, typer.Option(min=1, max=4096, help="Connections at once.")] = 1,
    window: Annotated[int, typer.Option(min=1, max=1024, help="Unanswered messages a connection.")] = 1,
    ca: Annotated[Path | None, typer.Option(help="TLS: the authority (PEM) of the listener.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS: own certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: own private key (PEM).")] = None,
    retry_for: Annotated[float, typer.Option(help="Seconds to go on without any answer.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Send the messages of files over MLLP and count the answers; exits with 1 unless all were accepted."""
    from salus.connect.hl7v2 import split_messages

    host, _, port = to.rpartition(":")
    if not host or not port.isdigit():
        raise Invalid("bad-address", "The address must be host:port", where="--to")
    tls: ssl.SSLContext | None = None
    if ca is not None or certificate is not None:
        tls = ssl.create_default_context(cafile=str(ca) if ca else None)
        if certificate is not None:
            tls.load_cert_chain(str(certificate), str(key) if key else None)
    messages = [message for path in paths for message in split_messages(path.read_bytes())]
    sent = send(
        messages,
        host.strip("[]"),
        int(port),
        connections=connections,
        window=window,
        ssl_context=tls,
        retry_for=retry_for,
    )
    typer.echo(json.dumps(_summary(sent)) if as_json else _said(sent))
    if sent.accepted < len(messages):
        raise typer.Exit(1)


def _summary(sent: Sent) -> dict[str, object]:
    return {
        "messages": len(sent.answers),
        "accepted": sent.accepted,
        "answers": dict(sorted(sent.codes.items())),
        "unanswered": sent.unanswered,
        "reconnections": sent.reconnections,
        "seconds": round(sent.seconds, 3),
        "per_second": round(len(sent.latencies) / sent.seconds, 1) if sent.seconds else None,
        "median_ms": round(statistics.median(sent.latencies) * 1000, 2) if sent.latencies else None,
    }


def _said(sent: Sent) -> str:
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in _summary(sent).items())
