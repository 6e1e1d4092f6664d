"""Calls to addresses that somebody else named: only to those that an administrator allowed, never further.

An address is allowed for one source and one use, as scheme, host and port. Redirects are not followed. The
host's number is looked up once and that number is called, so that a name cannot point elsewhere in between;
loopback, link-local and other addresses of the machine itself are refused unless they are allowed by number.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from salus.kernel.errors import Invalid, NotAllowed, SalusError
from salus.record.models import AllowedOrigin

TIMEOUT = 20.0  # seconds for each step of a call
_PORTS = {"http": 80, "https": 443}


class Unreachable(SalusError):
    """The other side did not answer as it should; `message` names no content."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address, taken apart; `origin` is what is allowed or not."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Return scheme, host and port as they are kept."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse(url: str) -> Address:
    """Take an address apart.

    Raises:
        Invalid: it is not http(s) with a host, or holds a user name or characters that no address has.
    """
    try:
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > 2000:
            raise ValueError
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        if not parts.hostname or parts.username or parts.password or parts.fragment:
            raise ValueError
    except (ValueError, KeyError):
        raise Invalid(
            "bad-address", "The address is not one that can be called", fix="Use https://…"
        ) from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, parts.hostname.lower(), port, target)


def allow(source_id: int, use: str, url: str) -> AllowedOrigin:
    """Let the platform call an address for a source and a use; returns the row. Raises Invalid."""
    origin = parse(url).origin
    return AllowedOrigin.objects.get_or_create(source_id=source_id, use=use, origin=origin)[0]


def forbid(source_id: int, use: str, url: str) -> bool:
    """Take the permission away; returns whether there was one."""
    return bool(
        AllowedOrigin.objects.filter(source_id=source_id, use=use, origin=parse(url).origin).delete()[0]
    )


def check(source_id: int | None, use: str, url: str) -> Address:
    """Return the address if it may be called for a source and a use.

    Raises:
        Invalid: it is no address.
        NotAllowed: nobody allowed it for this source and use.
    """
    address = parse(url)
    allowed = AllowedOrigin.objects.filter(source_id=source_id or 0, use=use, origin=address.origin)
    if source_id is None or not allowed.exists():
        raise NotAllowed(
            "address-not-allowed",
            "This address is not allowed for this source",
            fix="Ask an administrator to allow it",
        )
    return address


def number_of(address: Address) -> str:
    """Return the host's number; raises `Unreachable` where it has none, or one of the machine itself."""
    try:
        literal = ipaddress.ip_address(address.host)
    except ValueError:
        literal = None
    if literal is not None:
        return str(literal)  # it is on the list by this very number
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable("no-host", "The host's name is not known") from None
    for _, _, _, _, place in found:
        number = ipaddress.ip_address(str(place[0]).partition("%")[0])
        mapped = getattr(number, "ipv4_mapped", None) or number
        if not (mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast):
            return str(number)
    raise Unreachable("own-host", "The host's name stands for this machine itself")


def connect(address: Address, *, timeout: float = TIMEOUT) -> http.client.HTTPConnection:
    """Open a connection to an allowed address; raises `Unreachable`."""
    number = number_of(address)
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        plain = socket.create_connection((number, address.port), timeout)
        if isinstance(connection, http.client.HTTPSConnection):
            plain = context.wrap_socket(plain, server_hostname=address.host)
    except (OSError, ssl.SSLError) as error:
        raise Unreachable("no-connection", f"No connection ({type(error).__name__})") from None
    connection.sock = plain
    return connection


def call(
    address: Address, method: str, body: bytes, headers: Mapping[str, str], *, timeout: float = TIMEOUT
) -> int:
    """Make one call and return its status; what is answered besides is not read. Raises `Unreachable`."""
    connection = connect(address, timeout=timeout)
    try:
        connection.request(method, address.target, body=body, headers=dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable("no-answer", f"No answer ({type(error).__name__})") from None
    finally:
        connection.close()
