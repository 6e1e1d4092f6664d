"""The listener, on loopback, with senders of every sort."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from salus.connect.mllp import Answer, Frame, Limits, MllpServer, send_all
from salus.connect.mllp.framing import frame
from salus.connect.mllp.sending import answer_code, answered_control_id
from salus.connect.mllp.server import Peer, _Item, server_tls


def message(number: int | str, size: int = 0) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|2024||ADT^A01|{number}|P|2.5\rPID|||{'x' * size}\r".encode()


class Keeper:
    """Stores what it is given; refuses what has no MSH; fails when told to."""

    def __init__(self, pause: float = 0.0) -> None:
        self.kept: list[bytes] = []
        self.batches: list[int] = []
        self.peers: list[str] = []
        self.pause = pause
        self.failures = 0

    async def __call__(self, frames: list[Frame]) -> Sequence[Answer]:
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        if self.pause:
            await asyncio.sleep(self.pause)
        self.batches.append(len(frames))
        answers = []
        for one in frames:
            self.peers.append(one.peer.subject)
            if one.raw.startswith(b"MSH"):
                self.kept.append(one.raw)
                answers.append(Answer("AA"))
            else:
                answers.append(Answer("AR", "not-hl7", "the message does not begin with an MSH segment"))
        return answers


@asynccontextmanager
async def listening(
    keeper: Keeper, tls: ssl.SSLContext | None = None, **limits: float
) -> AsyncIterator[MllpServer]:
    server = MllpServer(keeper, port=0, ssl_context=tls, limits=Limits(drain=2.0, **limits))  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def read_answers(reader: asyncio.StreamReader, count: int) -> list[tuple[str, bytes]]:
    found = []
    async with asyncio.timeout(10):
        for _ in range(count):
            raw = await reader.readuntil(b"\x1c\r")
            found.append((answer_code(raw.strip(b"\x0b\x1c\r")), answered_control_id(raw)))
    return found


async def test_every_message_is_stored_and_answered_in_order() -> None:
    keeper = Keeper()
    async with listening(keeper) as server:
        messages = [message(number) for number in range(400)]
        sent = await send_all(messages, "127.0.0.1", server.port, connections=4, window=8)
    assert sent.codes == {"AA": 400}
    assert sorted(keeper.kept) == sorted(messages)
    for lane in range(4):
        own = [raw for raw in keeper.kept if raw in set(messages[lane::4])]
        assert own == messages[lane::4]
    assert [answered_control_id(answer or b"") for answer in sent.answers] == [
        str(n).encode() for n in range(400)
    ]


async def test_what_comes_while_a_batch_is_stored_is_stored_together() -> None:
    keeper = Keeper(pause=0.02)
    async with listening(keeper) as server:
        await send_all([message(number) for number in range(200)], "127.0.0.1", server.port, connections=20)
    assert sum(keeper.batches) == 200
    assert len(keeper.batches) < 60


async def test_the_answer_comes_only_after_the_commit() -> None:
    keeper = Keeper(pause=0.3)
    async with listening(keeper) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(frame(message(1)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await reader.read(1)
        assert await read_answers(reader, 1) == [("AA", b"1")]
        assert keeper.kept
        writer.close()


async def test_a_failed_batch_is_answered_and_can_be_sent_again() -> None:
    keeper = Keeper()
    keeper.failures = 1
    async with listening(keeper) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(frame(message(1)))
        assert await read_answers(reader, 1) == [("AE", b"1")]
        writer.write(frame(message(1)))
        assert await read_answers(reader, 1) == [("AA", b"1")]
        writer.close()
    assert len(keeper.kept) == 1


async def test_slow_senders_junk_and_missing_ends() -> None:
    keeper = Keeper()
    async with listening(keeper, end_grace=0.1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in frame(message(1)):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.0005)
        assert await read_answers(reader, 1) == [("AA", b"1")]
        writer.write(b"\r\n\x00junk" + frame(message(2)) + b"junk" + frame(b"hello"))
        assert await read_answers(reader, 2) == [("AA", b"2"), ("AR", b"")]
        writer.write(b"\x0b" + message(3) + b"\x1c")
        assert await read_answers(reader, 1) == [("AA", b"3")]
        writer.write(b"\x0b" + message(4) + frame(message(5)))
        assert await read_answers(reader, 2) == [("AE", b"4"), ("AA", b"5")]
        writer.close()
    assert [raw.split(b"|")[9] for raw in keeper.kept] == [b"1", b"2", b"3", b"5"]


async def test_a_frame_that_never_ends_is_refused_and_not_stored() -> None:
    keeper = Keeper()
    async with listening(keeper, frame_timeout=0.2) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x0b" + message(1))
        assert await read_answers(reader, 1) == [("AE", b"1")]
        assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(message(2))
        assert await read_answers(reader, 1) == [("AR", b"2")]
        writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x0bMSH|half")
        await writer.drain()
        writer.close()
        await asyncio.sleep(0.1)
        assert server.counts["partial"] >= 1
    assert keeper.kept == []


async def test_silence_ends_a_connection() -> None:
    async with listening(Keeper(), idle_timeout=0.1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_oversize_is_refused_and_the_next_message_taken() -> None:
    keeper = Keeper()
    async with listening(keeper, max_bytes=10_000) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(frame(message(1, 2_000_000)) + frame(message(2)))
        assert await read_answers(reader, 2) == [("AR", b"1"), ("AA", b"2")]
        writer.close()
    assert len(keeper.kept) == 1


async def test_a_message_of_megabytes() -> None:
    keeper = Keeper()
    async with listening(keeper) as server:
        sent = await send_all([message(1, 12_000_000), message(2)], "127.0.0.1", server.port)
    assert sent.accepted == 2
    assert len(keeper.kept[0]) > 12_000_000


async def test_too_many_bytes_at_once_are_put_off_not_lost() -> None:
    keeper = Keeper(pause=0.01)
    async with listening(keeper, memory=2_000_000, max_bytes=1_500_000) as server:
        messages = [message(number, 900_000) for number in range(12)]
        sent = await send_all(messages, "127.0.0.1", server.port, connections=6, retry_for=20)
    kept = {raw.split(b"|")[9] for raw in keeper.kept}
    told = {
        answered_control_id(answer or b"")
        for answer in sent.answers
        if answer and answer_code(answer) == "AA"
    }
    assert told <= kept
    assert sent.accepted + sent.codes["AE"] == 12


async def test_a_thousand_connections() -> None:
    keeper = Keeper()
    async with listening(keeper) as server:
        sent = await send_all(
            [message(number) for number in range(2000)], "127.0.0.1", server.port, connections=1000
        )
    assert sent.codes == {"AA": 2000}
    assert server.counts["connections"] == 1000
    assert len(set(keeper.kept)) == 2000


async def test_stopping_answers_what_has_come() -> None:
    keeper = Keeper(pause=0.1)
    server = MllpServer(keeper, port=0, limits=Limits(drain=3.0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"".join(frame(message(number)) for number in range(5)))
    await writer.drain()
    await asyncio.sleep(0.05)
    await server.stop()
    assert await read_answers(reader, 5) == [("AA", str(n).encode()) for n in range(5)]
    writer.close()


async def test_a_sender_retries_until_the_listener_is_back() -> None:
    keeper = Keeper()
    server = MllpServer(keeper, port=0)
    await server.start()
    port = server.port
    await server.stop()
    task = asyncio.create_task(send_all([message(1)], "127.0.0.1", port, retry_for=10))
    await asyncio.sleep(0.2)
    server = MllpServer(keeper, port=port)
    await server.start()
    sent = await task
    await server.stop()
    assert sent.accepted == 1
    assert sent.reconnections > 0


def certificates(folder: Path) -> dict[str, tuple[str, str]]:
    """Make an authority, and certificates of a server, a client and a stranger."""
    now = datetime.datetime.now(datetime.UTC)
    made: dict[str, tuple[x509.Certificate, ec.EllipticCurvePrivateKey]] = {}
    for name, issuer in (
        ("authority", "authority"),
        ("server", "authority"),
        ("client", "authority"),
        ("other", "other"),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = made[issuer][0].subject if issuer in made else subject
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
        )
        made[name] = builder.sign(made[issuer][1] if issuer in made else key, hashes.SHA256()), key
    paths = {}
    for name, (certificate, key) in made.items():
        crt, pem = folder / f"{name}.crt", folder / f"{name}.key"
        crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        paths[name] = (str(crt), str(pem))
    return paths


def client_tls(paths: dict[str, tuple[str, str]], name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=paths["authority"][0])
    if name:
        context.load_cert_chain(*paths[name])
    return context


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    paths = certificates(tmp_path)
    keeper = Keeper()
    tls = server_tls(*paths["server"], client_authority=paths["authority"][0])
    async with listening(keeper, tls) as server:
        good = await send_all([message(1)], "127.0.0.1", server.port, ssl_context=client_tls(paths, "client"))
        assert good.accepted == 1
        assert keeper.peers == ["client"]
        for name in ("other", None):
            bad = await send_all(
                [message(2)],
                "127.0.0.1",
                server.port,
                ssl_context=client_tls(paths, name),
                retry_for=0.2,
                timeout=2,
            )
            assert bad.accepted == 0
        plain = await send_all([message(3)], "127.0.0.1", server.port, retry_for=0.2, timeout=1)
        assert plain.accepted == 0
    assert len(keeper.kept) == 1


class _Named:
    """A sender's connection, as far as gathering looks at it."""


def _item(sender: _Named, number: int) -> _Item:
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return _Item(sender, Frame(message(number), Peer("127.0.0.1"), at))  # type: ignore[arg-type]


def test_senders_just_answered_are_gathered_into_one_commit() -> None:
    async def scenario() -> None:
        server = MllpServer(Keeper(), limits=Limits(gathering=30.0))
        one, two = _Named(), _Named()
        server._lately.extend([{id(one)}, {id(two)}])
        server._took = 1000.0
        server._queue.put_nowait(_item(one, 1))
        asyncio.get_running_loop().call_later(0.05, server._queue.put_nowait, _item(two, 2))
        async with asyncio.timeout(20):
            batch = await server._gather()
        assert [id(item.connection) for item in batch] == [id(one), id(two)]

    asyncio.run(scenario())


def test_nobody_waits_for_a_sender_that_falls_silent_or_is_alone() -> None:
    async def scenario() -> None:
        server = MllpServer(Keeper(), limits=Limits(gathering=0.02))
        one, two = _Named(), _Named()
        server._lately.extend([{id(one)}, {id(two)}])
        server._took = 1000.0
        server._queue.put_nowait(_item(one, 1))
        async with asyncio.timeout(20):
            assert len(await server._gather()) == 1
        server._lately.extend([{id(one)}, {id(one)}])
        server.limits = Limits(gathering=1000.0)
        server._queue.put_nowait(_item(one, 2))
        async with asyncio.timeout(20):
            assert len(await server._gather()) == 1

    asyncio.run(scenario())
