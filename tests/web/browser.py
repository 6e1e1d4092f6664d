"""A served platform and a browser that notes what a page must not do: for the browser tests of every room."""

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from salus.kernel import audit

CHROMIUM = os.environ.get("SALUS_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]
LANGUAGES = ("en", "zh-hans")
SCHEMES = ("light", "dark")


@contextmanager
def served() -> Iterator[str]:
    """Serve the platform from a thread of this process, on the test's own databases; yields its address."""
    from salus.asgi import application

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            port=port,
            lifespan="off",
            log_level="error",
            loop="asyncio",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > until:
            raise TimeoutError("the server did not start in 20 s")
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        end_sessions_of_the_server()


def end_sessions_of_the_server() -> None:
    """End what the server's threads left connected, so that PostgreSQL can drop the test's databases."""
    audit.close()
    for connection in connections.all():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium; skips with the reason where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; set SALUS_CHROMIUM")
    # Playwright runs an event loop in this thread, for which Django would refuse every query of the test.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        playwright: Playwright
        with sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            try:
                yield started
            finally:
                started.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@dataclass
class Reader:
    """A reader at a page of her own, with everything that the page did wrong."""

    base: str
    page: Page
    faults: list[str] = field(default_factory=list)
    axe: Axe = field(default_factory=Axe)

    def __post_init__(self) -> None:
        host = urlsplit(self.base).netloc
        self.page.on(
            "request",
            lambda r: (
                urlsplit(r.url).netloc not in {host, ""} and self.faults.append(f"foreign request {r.url}")
            ),
        )
        self.page.on(
            "console", lambda m: m.type in {"error", "warning"} and self.faults.append(f"console: {m.text}")
        )
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))

    def sign_in(self, username: str, password: str) -> None:
        """Sign in by the form."""
        self.go("/accounts/login/")
        self.page.fill("#id_login", username)
        self.page.fill("#id_password", password)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(f"{self.base}/")

    def go(self, path: str) -> None:
        """Open a page; an answer other than 200 is a fault."""
        answer = self.page.goto(self.base + path)
        if answer is None or answer.status != 200:
            self.faults.append(f"{path}: {answer.status if answer else 'no answer'}")

    def check(self, path: str) -> None:
        """Open a page and look for what axe finds on it."""
        self.go(path)
        for found in self.axe.run(self.page).response["violations"]:
            places = json.dumps([node["html"][:160] for node in found["nodes"]][:3])
            self.faults.append(f"{path}: axe {found['id']}: {places}")


@contextmanager
def reading(
    browser: Browser, base: str, *, language: str = "en", scheme: str = "light", width: int = 1280
) -> Iterator[Reader]:
    """Open a context with a language and colours; closed at the end."""
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        locale=language,
        reduced_motion="reduce",  # colours are judged as they stay, not while a notice fades in
    )  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    context.add_cookies([{"name": "django_language", "value": language, "url": base}])
    try:
        yield Reader(base, context.new_page())
    finally:
        context.close()
