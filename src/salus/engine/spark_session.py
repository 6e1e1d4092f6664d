"""The one Spark session of a process: how it is started, shared and ended."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from salus.engine.contract import EngineMissing, StatementFailed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOOPBACK = "127.0.0.1"
_SETTINGS = {
    # What decides an answer.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.parquet.mergeSchema": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.legacy.percentileDiscCalculation": "false",
    # What concerns the machine only.
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.showConsoleProgress": "false",
}


class _Shared:
    """The session that runs, the address it was started for, and how many engines use it."""

    session: "SparkSession | None" = None
    url = ""
    users = 0


def why_missing() -> str:
    """Return why Spark cannot run here, or nothing if it can."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return "PySpark is not installed"
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java") and not (home and os.path.exists(os.path.join(home, "bin", "java"))):
        return "there is no Java"
    return ""


def acquire(url: str, memory: str, settings: Mapping[str, str]) -> "SparkSession":
    """Return a session of an engine's own: its tables are its own, the Java is shared.

    Raises `EngineMissing` where Spark cannot run and `StatementFailed` where it does not start, or
    runs for another address already.
    """
    if reason := why_missing():
        raise EngineMissing(
            "engine-missing",
            reason,
            fix="Install Spark (SALUS_SPARK=1 ./salus …) and Java 17 or newer, or use DuckDB.",
        )
    if _Shared.session is not None and url != _Shared.url:
        if _Shared.users:
            raise StatementFailed(
                "engine-spark-busy",
                f"Spark runs for {_Shared.url} in this process",
                fix="Close its engines first.",
            )
        stop()
    if _Shared.session is None:
        _Shared.session = _start(url, memory, settings)
        _Shared.url = url
    _Shared.users += 1
    own = _Shared.session.newSession()
    for key, value in {**_SETTINGS, **settings}.items():
        if key.startswith("spark.sql.") and own.conf.isModifiable(key):
            own.conf.set(key, value)
    return own


def release() -> None:
    """Say that an engine is closed; the Java process stays for the next one and ends with this process."""
    _Shared.users = max(0, _Shared.users - 1)


def stop() -> None:
    """End the session, so that another address can be used."""
    if _Shared.session is not None:
        _Shared.session.stop()
    _Shared.session, _Shared.url, _Shared.users = None, "", 0


def _start(url: str, memory: str, settings: Mapping[str, str]) -> "SparkSession":
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    logging = Path(__file__).with_name("log4j2.properties")
    builder = SparkSession.builder.master(url).appName("salus")
    given = {
        "spark.driver.host": _LOOPBACK,
        "spark.driver.bindAddress": _LOOPBACK,
        "spark.driver.memory": memory,
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.pyspark.python": sys.executable,
        "spark.sql.warehouse.dir": _workshop("warehouse"),  # else a folder appears where the user stands
        **_SETTINGS,
        **settings,
    }
    options = "spark.driver.extraJavaOptions"
    given[options] = f"{_java(logging)} {settings.get(options, '')}".strip()
    for key, value in given.items():
        builder = builder.config(key, value)
    os.environ.setdefault("SPARK_LOCAL_IP", given["spark.driver.bindAddress"])
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True  # they repeat statements and values of rows
    with _quiet() as said:
        try:
            session: SparkSession = builder.getOrCreate()
        except Exception as error:  # noqa: BLE001 - py4j raises what Java threw, of any class
            raise StatementFailed(
                "engine-spark-start",
                f"Spark did not start for {url}: {_last_line(said) or type(error).__name__}",
                fix="Check the address of the cluster and the Java there is.",
            ) from None
    return session


def _workshop(name: str) -> str:
    """Return a folder for what Spark leaves behind, removed when this process ends."""
    folder = tempfile.mkdtemp(prefix=f"salus-spark-{name}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _java(logging: Path) -> str:
    return f"-Dlog4j2.configurationFile={logging} -Duser.timezone=UTC"


@contextmanager
def _quiet() -> Iterator[Path]:
    """Give the Java process a file to complain to: it keeps the standard error it is started with."""
    handle, name = tempfile.mkstemp(prefix="salus-spark-", suffix=".log")
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(handle, 2)
    try:
        yield Path(name)
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(handle)
        os.unlink(name)


def _last_line(said: Path) -> str:
    lines = [line for line in said.read_text(errors="replace").splitlines() if line and line[0] not in "\t "]
    return lines[-1][:200] if lines else ""
