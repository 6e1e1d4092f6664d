"""A Spark cluster: a master and two workers on loopback, started and ended by the test."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.engine.spark_session import why_missing
from tests.engine.parity import SMALL, on_spark

pytestmark = [
    on_spark,
    pytest.mark.slow,
    pytest.mark.timeout(600),  # five Java processes beside whatever else runs
    pytest.mark.skipif(bool(why_missing()), reason=f"no cluster is started: {why_missing()}"),
]

# A process of its own: the session of this one is for another address.
BODY = """
import sys
from salus.engine import duckdb_engine, spark_engine
from tests.engine.cases import visits, wards
from tests.engine.parity import SMALL, Both
sql = [
    "select g, sum(i) as a, avg(d) as b, count(distinct s) as c, list(k order by k) as l from t group by g",
    "select t.id, w.beds, row_number() over (partition by t.g order by t.id, w.beds) as n"
    " from t join w on t.g = w.g order by t.id, w.beds",
]
with duckdb_engine() as one, spark_engine(sys.argv[1], settings={
    **SMALL, "spark.executor.extraJavaOptions": SMALL["spark.driver.extraJavaOptions"],
    "spark.executor.memory": "512m", "spark.cores.max": "2", "spark.executor.cores": "1",
    "spark.sql.shuffle.partitions": "4",
}) as other:
    both = Both(one, other)
    both.register("t", visits(960))
    both.register("w", wards())
    for statement in sql:
        assert both.agree(statement).num_rows
    both.spark.write("select * from t where id % 2 = 0", sys.argv[2] + "/half")
    both.register("half", sys.argv[2] + "/half")
    assert both.agree("select count(*) as n, sum(i) as s from half").to_pylist()[0]["n"] == 480
    print("workers", other._session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1)
"""


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """The address of a master with two workers."""
    import pyspark

    home = Path(pyspark.__file__).parent
    address = f"spark://127.0.0.1:{(port := _port())}"
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_JAVA_OPTS": SMALL["spark.driver.extraJavaOptions"],
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(tmp_path / "work"),
        "PYSPARK_PYTHON": sys.executable,
    }
    deploy = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy"]
    commands = [
        [deploy[0], f"{deploy[1]}.master.Master", "--host", "127.0.0.1", "--port", str(port),
         "--webui-port", str(_port())]
    ] + [
        [deploy[0], f"{deploy[1]}.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "700m",
         "--webui-port", str(_port()), address]
        for _ in range(2)
    ]  # fmt: skip
    log = (tmp_path / "cluster.log").open("w")
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        _answers(port)
        yield address
    finally:
        for one in reversed(started):
            one.terminate()
        for one in started:
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        log.close()


def _answers(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the master does not answer")


def test_a_cluster_answers_as_duckdb_does(master: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BODY, master, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:] + (tmp_path / "cluster.log").read_text()[-2000:]
    assert "workers 2" in done.stdout
