"""A device in the field: a real Chromium, a bad network and a real server process."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.web.offline.network import BadNetwork
from tests.web.offline.server import PASSWORD

ROOT = Path(__file__).resolve().parents[3]
CHROMIUM = os.environ.get("SALUS_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FORM = "/offline/form/visits"

FILL = """async ([first, count]) => {
  const form = document.getElementById("offline-form");
  for (let number = first; number < first + count; number += 1) {
    const buttons = document.querySelectorAll(".offline-subject");
    buttons[number % buttons.length].click();
    await new Promise((done) => {
      const look = () => document.getElementById("offline-panel").hidden ? setTimeout(look, 1) : done();
      look();
    });
    form.elements.temperature.value = "36." + (number % 10);
    form.elements.state.value = "well";
    form.elements.note.value = "form " + number;
    const kept = new Promise((done, fail) => {
      document.addEventListener("salus-kept", done, { once: true });
      setTimeout(() => fail(new Error(document.getElementById("offline-errors").textContent)), 20000);
    });
    form.requestSubmit();
    await kept;
  }
}"""


@dataclass
class Field:
    """The server, the network and the browser of one account."""

    folder: Path
    network: BadNetwork
    playwright: Any
    context: BrowserContext | None = None
    browser: Browser | None = None

    @property
    def base(self) -> str:
        return self.network.address

    def browse(self, name: str = "device", **options: Any) -> Page:
        """Start the browser again with what it kept."""
        if self.context is not None:
            self.context.close()
        self.context = self.playwright.chromium.launch_persistent_context(
            str(self.folder / name), executable_path=CHROMIUM, args=ARGUMENTS, **options
        )
        assert self.context is not None
        self.context.set_default_timeout(20_000)
        return self.context.pages[0]

    def fresh(self, **options: Any) -> Page:
        """Return a page of a device on which nothing was ever kept; quicker than `browse`."""
        if self.context is not None:
            self.context.close()
        if self.browser is None:
            self.browser = self.playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        assert self.browser is not None
        self.context = self.browser.new_context(reduced_motion="reduce", **options)
        self.context.set_default_timeout(20_000)
        return self.context.new_page()

    def sign_in(self, page: Page, username: str = "doctor") -> None:
        if "/accounts/login/" not in page.url:
            page.goto(f"{self.base}/accounts/login/")
        page.fill("#id_login", username)
        page.fill("#id_password", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)

    def open_form(self, page: Page) -> None:
        page.goto(self.base + FORM)
        page.wait_for_selector("[data-offline-page][data-open=yes]")

    def prepare(self, page: Page) -> None:
        """Open the form with a connection, so that it works without one."""
        self.open_form(page)
        page.wait_for_selector("[data-offline-page][data-ready=yes]")

    def wait_until_sent(self, page: Page, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            waiting = page.evaluate(
                """async () => {
                  if (!window.salusOffline || !(await salusOffline.ready)) return ["locked"];
                  const items = await salusOffline.items();
                  return items.map((item) => item.state).filter((state) => state !== "sent");
                }"""
            )
            if not waiting:
                return
            time.sleep(0.25)
        raise TimeoutError(f"not sent after {seconds} s: {waiting[:5]}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the server's database, past the server."""
        connection = sqlite3.connect(self.folder / "data" / "salus.sqlite3", timeout=20)
        try:
            found = connection.execute(sql).fetchall()
            connection.commit()
            return found
        finally:
            connection.close()


@contextmanager
def in_the_field(folder: Path, *, contacts: int, seed: int = 1) -> Iterator[Field]:
    """Start a server process and a network; the browser comes with `browse`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "SALUS_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
    }
    for name in ("DATABASE_URL", "AUDIT_DATABASE_URL", "DJANGO_ALLOW_ASYNC_UNSAFE"):
        environment.pop(name, None)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.web.offline.server", str(port), str(contacts)],
        env=environment,
        cwd=ROOT,
    )
    network = BadNetwork(port, seed)
    try:
        _wait_for(port, server)
        with sync_playwright() as playwright:
            field = Field(folder, network, playwright)
            try:
                yield field
            finally:
                if field.context is not None:
                    field.context.close()
                if field.browser is not None:
                    field.browser.close()
    finally:
        network.close()
        server.terminate()
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server did not start in 90 s")


@dataclass(frozen=True)
class Outcome:
    """What became of a number of forms."""

    forms: int
    written: int
    doubled: int
    lost: int
    requests_lost: int
    requests: int
    lost_after_commit: int
    seconds: float


def walk(field: Field, forms: int, loss: float) -> Outcome:
    """Fill in forms for three days without a connection, then send them through a bad network.

    Half-way the browser is closed and opened again; the session ends meanwhile.
    """
    page = field.browse()
    field.sign_in(page)
    field.prepare(page)
    field.network.down = True
    field.open_form(page)
    page.evaluate(FILL, [0, forms // 2])
    page = field.browse()
    field.open_form(page)
    page.evaluate(FILL, [forms // 2, forms - forms // 2])
    page.clock.set_system_time(time.time() + 72 * 3600)
    field.open_form(page)
    field.rows("delete from django_session")
    field.network.down, field.network.loss = False, loss
    started = time.monotonic()
    page.click("#offline-send")
    page.wait_for_selector("#offline-sign-in:not([hidden])")
    page.click("#offline-sign-in")
    field.sign_in(page)
    field.wait_until_sent(page, 60 + forms)
    seconds = time.monotonic() - started
    written = [note for (note,) in field.rows("select note from sample_visit")]
    network = field.network
    return Outcome(
        forms=forms,
        written=len(written),
        doubled=len(written) - len(set(written)),
        lost=len({f"form {number}" for number in range(forms)} - set(written)),
        requests_lost=network.lost_before + network.lost_after,
        requests=network.paths.count("/offline/submit"),
        lost_after_commit=network.lost_after,
        seconds=seconds,
    )
