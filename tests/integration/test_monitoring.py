"""The profile `monitoring`: our rules in promtool and in a real Prometheus; and statsd_exporter.

Debian has Prometheus and promtool (`make test-monitoring-servers`), but not statsd_exporter:
STATSD_EXPORTER_BIN names it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RULES_TEST = ROOT / "tests" / "fixtures" / "monitoring" / "rules_test.yml"
BOUND_S = 240.0


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed: make test-monitoring-servers")
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    found = json.loads((MONITORING / "grafana" / "iris.json").read_text(encoding="utf-8"))["panels"]
    assert isinstance(found, list)
    return found


class TestRules:
    def test_the_configuration_is_right(self) -> None:
        done = subprocess.run(
            [program("promtool"), "check", "config", str(MONITORING / "prometheus.yml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_each_fires_on_what_it_is_for_and_not_before(self, tmp_path: Path) -> None:
        test = RULES_TEST.read_text(encoding="utf-8").replace("RULES", str(MONITORING / "rules.yml"))
        (tmp_path / "test.yml").write_text(test, encoding="utf-8")
        done = subprocess.run(
            [program("promtool"), "test", "rules", str(tmp_path / "test.yml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_each_has_such_a_test_and_says_what_to_do(self) -> None:
        tests = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
        cases = [case for test in tests for case in test["alert_rule_test"]]
        assert {case["alertname"] for case in cases if case["exp_alerts"]} == rules().keys()
        assert {case["alertname"] for case in cases if not case["exp_alerts"]} == rules().keys()
        assert all({"summary", "then"} <= rule["annotations"].keys() for rule in rules().values())


@dataclass
class Exposition:
    """A scraped target, as statsd_exporter would be one: well at first, then ill in every way."""

    is_ill: bool = False
    scrapes: int = 0
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        exposition = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exposition.scrapes += 1
                body = exposition.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def text(self) -> str:
        """Metrics under the names that statsd.yml gives them."""
        ill, times = self.is_ill, self.scrapes
        slow = times if ill else 0
        label = '{project="a"}'
        kind = 'project="a",kind="drift"'
        beats = 0 if ill else times
        lines = {
            f"iris_promised_s{label}": 900,
            f"iris_oldest_owed_s{label}": 1000 if ill else 10,
            f"iris_owed{label}": 20 * times if ill else 1,
            f"iris_severity{label}": 3 if ill else 0,
            "airflow_dag_processing_import_errors": 1 if ill else 0,
            "airflow_scheduler_heartbeat": beats,
            "airflow_triggerer_heartbeat": beats,
            f'iris_arrival_to_verdict_seconds_bucket{{{kind},le="600"}}': times - slow,
            f'iris_arrival_to_verdict_seconds_bucket{{{kind},le="900"}}': times,
            f'iris_arrival_to_verdict_seconds_bucket{{{kind},le="+Inf"}}': times,
        }
        if ill:
            lines['iris_refused_total{project="a",kind="scoring"}'] = 1
        return "".join(f"{name} {value}\n" for name, value in lines.items())


@dataclass
class Prometheus:
    """A running Prometheus."""

    url: str

    def get(self, path: str) -> Any:
        with urlopen(f"{self.url}{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def wait(self, look: Callable[[], Any], what: str) -> Any:
        until = time.monotonic() + BOUND_S
        while time.monotonic() < until:
            try:
                if found := look():
                    return found
            except (URLError, OSError):
                pass
            time.sleep(0.3)
        return pytest.fail(f"{what} within {BOUND_S:.0f} s")

    @property
    def firing(self) -> set[str]:
        return {
            alert["labels"]["alertname"]
            for alert in self.get("/api/v1/alerts")["alerts"]
            if alert["state"] == "firing"
        }


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[Prometheus]:
    """A Prometheus with our configuration and rules, but without `for`; it scrapes each second."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = targets
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    written = (MONITORING / "rules.yml").read_text(encoding="utf-8")
    at_once = re.sub(r"^ +for: .+\n", "", written, flags=re.MULTILINE)
    (folder / "rules.yml").write_text(at_once, encoding="utf-8")
    port = free_port()
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program("prometheus"), *options], stdout=log, stderr=log)
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        found.wait(lambda: found.get("/api/v1/status/buildinfo"), "Prometheus did not start")
        yield found
    finally:
        process.terminate()
        process.wait(30)


def test_each_rule_fires_in_a_real_prometheus_and_each_panel_has_data(tmp_path: Path) -> None:
    program("prometheus")
    one, other = Exposition(), Exposition()
    try:
        with prometheus(tmp_path, [one.target, other.target]) as found:
            found.wait(lambda: one.scrapes > 5, "Prometheus scraped nothing")
            assert found.firing == set()
            one.is_ill = True
            other.close()
            found.wait(lambda: found.firing >= rules().keys(), "not every rule fired")
            for panel in panels():
                for target in panel["targets"]:
                    query = target["expr"].replace("$__rate_interval", "1m")
                    assert found.get(f"/api/v1/query?query={quote(query)}")["result"], query
    finally:
        one.close()


def test_statsd_exporter_gives_the_names_that_the_rules_use(tmp_path: Path) -> None:
    binary = os.environ.get("STATSD_EXPORTER_BIN") or shutil.which("statsd_exporter")
    if not binary:
        pytest.skip("statsd_exporter is not installed: STATSD_EXPORTER_BIN names it")
    web, udp = free_port(), free_port()
    options = [
        f"--statsd.mapping-config={MONITORING / 'statsd.yml'}",
        f"--web.listen-address=127.0.0.1:{web}",
        f"--statsd.listen-udp=127.0.0.1:{udp}",
        "--statsd.listen-tcp=",
    ]
    sent = (
        "airflow.iris.owed,project=a:3|g",
        "airflow.iris.oldest_owed_s,project=a:12|g",
        "airflow.iris.promised_s,project=a:900|g",
        "airflow.iris.severity,project=a:2.0|g",
        "airflow.iris.refused,project=a,kind=scoring:1|c",
        "airflow.iris.arrival_to_verdict_s,project=a,kind=drift:4000.000000|ms",
        "airflow.scheduler_heartbeat:1|c",
        "airflow.triggerer_heartbeat:1|c",
        "airflow.dag_processing.import_errors:0|g",
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([binary, *options], stdout=log, stderr=log)
    try:
        scrape = Prometheus(f"http://127.0.0.1:{web}")

        def exposed() -> str:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for line in sent:
                    client.sendto(line.encode(), ("127.0.0.1", udp))
            with urlopen(f"{scrape.url}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            return text if "import_errors" in text else ""

        text = scrape.wait(exposed, "statsd_exporter exposed nothing")
    finally:
        process.terminate()
        process.wait(30)
    expressions = [rule["expr"] for rule in rules().values()]
    expressions += [target["expr"] for panel in panels() for target in panel["targets"]]
    used = {name for one in expressions for name in re.findall(r"\b(?:iris|airflow)_[a-z_]+", one)}
    assert used == {name for name in used if re.search(rf"^{name}[ {{]", text, re.MULTILINE)}
    assert 'iris_oldest_owed_s{project="a"} 12' in text
    assert re.search(r'iris_arrival_to_verdict_seconds_bucket\{.*le="5"\} [1-9]', text)
