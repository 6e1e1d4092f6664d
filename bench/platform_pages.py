"""Pages while a second process loads a large file: nobody waits, and nothing is locked."""

import http.cookiejar
import json
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from bench import Measured, figure
from tests.resilience.installation import Installation, end_group
from tests.resilience.trials import SOURCES, write_file

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "planner": ["/"],
    "clinician": ["/", "/residents/"],
    "integrator": ["/", "/connect/sources", "/connect/dead-letters"],
}
RESIDENTS, PATIENTS, SECONDS = 2_000, 100_000, 40.0
QUICK_RESIDENTS, QUICK_PATIENTS, QUICK_SECONDS = 1_000, 20_000, 10.0


class Visitor(threading.Thread):
    """A signed-in user who opens one page after another, with a moment's thought between."""

    def __init__(self, base: str, name: str, password: str, until: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.base, self.until = base, until
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.browser = urllib.request.build_opener(cookies)
        self.times: list[float] = []
        self.faults: list[str] = []
        self._sign_in(name, password)

    def _sign_in(self, name: str, password: str) -> None:
        form = {"login": name, "password": password}
        self._post("/accounts/login/", form)
        if name == "clinician":
            self._post("/residents/", {"text": "王"})

    def _post(self, path: str, form: dict[str, str]) -> None:
        shown = self.browser.open(self.base + path, timeout=60).read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown)
        if token is None:
            raise RuntimeError(f"{path} shows no form")
        body = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token.group(1)}).encode()
        request = urllib.request.Request(self.base + path, data=body, headers={"Referer": self.base + path})  # noqa: S310  our own server
        answer = self.browser.open(request, timeout=60)
        if "accounts/login" in answer.url:
            raise RuntimeError("signing in failed")

    def run(self) -> None:
        """Open pages until told to stop."""
        while not self.until.is_set():
            for path in PAGES[self.name]:
                begun = time.perf_counter()
                try:
                    answer = self.browser.open(self.base + path, timeout=60)
                    answer.read()
                    if "accounts/login" in answer.url:
                        self.faults.append(f"{path}: signed out")
                except (urllib.error.URLError, OSError) as fault:
                    self.faults.append(f"{path}: {fault}")
                self.times.append((time.perf_counter() - begun) * 1000)
                time.sleep(0.05)


@figure("pages-while-loading", room="platform", unit="ms", target=300, better="lower")
def pages_while_loading(quick: bool) -> Measured:
    """The 95th percentile of signed-in users' pages while a second process loads a large file (SQLite)."""
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        one = Installation(Path(folder) / "var")
        one.salus("demo", "--no-serve", "--residents", str(QUICK_RESIDENTS if quick else RESIDENTS))
        sources = Path(folder) / "sources.toml"
        sources.write_text(SOURCES, encoding="utf-8")
        one.salus("connect", "import-sources", str(sources))
        file = Path(folder) / "large.ndjson"
        write_file(file, "large", QUICK_PATIENTS if quick else PATIENTS)
        one.start()
        loading = one.begin("load", str(file), "--source", "FILES")
        try:
            measured = _visit(one, loading, QUICK_SECONDS if quick else SECONDS)
        finally:
            end_group(loading, signal.SIGKILL)
            one.kill()
    return measured


def _visit(one: Installation, loading: subprocess.Popen[bytes], seconds: float) -> Measured:
    """Let the visitors open pages while the load goes on, and say how long they waited."""
    before = _taken(one)
    while _taken(one) == before and loading.poll() is None:
        time.sleep(0.1)  # until its first messages are in
    passwords = json.loads((one.folder / "keys" / "demo-accounts.json").read_text())
    until = threading.Event()
    visitors = [Visitor(f"http://127.0.0.1:{one.port}", name, passwords[name], until) for name in PAGES]
    first, begun = _taken(one), time.perf_counter()
    for visitor in visitors:
        visitor.start()
    while time.perf_counter() - begun < seconds and loading.poll() is None:
        time.sleep(0.1)
    took = time.perf_counter() - begun
    loaded = _taken(one) - first
    until.set()
    for visitor in visitors:
        visitor.join(timeout=90)
    times = [each for visitor in visitors for each in visitor.times]
    faults = [fault for visitor in visitors for fault in visitor.faults]
    faults += ["database is locked"] * one.said().count("database is locked")
    rate = f"{loaded / took:,.0f} messages/s loaded meanwhile"
    if faults:
        return Measured([], note=f"FAILED: {len(faults)} faults, first {faults[0]}; {rate}")
    note = (
        f"{len(times)} pages, median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms; {rate}"
    )
    return Measured([statistics.quantiles(times, n=20)[-1]], note=note)


def _taken(one: Installation) -> int:
    return int(one.query("select count(*) from connect_message")[0][0])
