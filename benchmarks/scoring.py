"""How fast a table is scored: `make bench-scoring ROWS=10000000`.

Each contender is a process of its own over the same generated CSV (four numbers and a text), with libraries
imported and the model loaded before the clock starts: plain pandas,
pandas in chunks, polars with map_batches, Iris on a local file, store to store and in shards on two
workers (there before the clock starts, too, as Airflow's are), and the same engine without a model; then a
table with features of every kind (`scoring_kinds`).
Prints a table and writes .iris/results/bench-scoring.json.
The store is a real MinIO when MINIO_BIN names one, else the embedded one.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import pickle
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import scoring_kinds
from iris_core.settings import load_project

COLUMNS = load_project().table.feature_names
BUCKET = "bench"
READ_BYTES = 8 << 20
GENERATED_ROWS = 500_000
SETTLE_S = 60
PLANNED = 20
PEAK_BELOW, CPU_BELOW = [0.0], [0.0]
"""The highest peak of the processes that this one started, and their processor time since they were ready."""
WORK = "work/shards"
READY = "ready\n"
LANES: list[subprocess.Popen[str]] = []
"""Processes that wait for shards, as Airflow's workers do."""


def generate(path: Path, rows: int) -> None:
    """Four numbers with two decimals and a text, seeded."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(1)
    words = np.array(["alpha", "beta", "gamma", "delta"])
    spans = ((4, 8), (2, 4.5), (1, 7), (0.1, 2.5))
    with path.open("wb") as file:
        for start in range(0, rows, GENERATED_ROWS):
            count = min(GENERATED_ROWS, rows - start)
            columns = {
                name: random.uniform(*span, count).round(2) for name, span in zip(COLUMNS, spans, strict=True)
            }
            frame = pl.DataFrame({**columns, "note": words[random.integers(0, 4, count)]})
            file.write(frame.write_csv(include_header=start == 0).encode())


def fit(path: Path) -> None:
    """The pipeline that the training DAG makes, of Iris."""
    import pandas as pd
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    iris = load_iris()
    features = pd.DataFrame(iris.data, columns=list(COLUMNS))
    labels = iris.target_names[iris.target].astype(object)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=42))
    path.write_bytes(pickle.dumps(model.fit(features, labels)))


Given = dict[str, Any]


@cache
def _unpickled(path: str) -> Any:
    return pickle.loads(Path(path).read_bytes())


def model_of(given: Given) -> Any:
    return _unpickled(given["model"])


def prepare(given: Given) -> None:
    """Imports and the model, which a worker has before its task: not measured, for any contender."""
    import pandas  # noqa: F401

    model_of(given)
    if given["contender"] == "ours_kinds":
        _decided_once(given)
    if given["contender"].startswith("ours"):
        import iris_core.scoring.engine
        import iris_core.store.assembly  # noqa: F401
    elif given["contender"].startswith("polars"):
        import polars  # noqa: F401
    if given["contender"] == "ours_shards":
        store, _ = stored(given)
        for key in [*store.keys(BUCKET, WORK)]:
            store.delete(BUCKET, key)
        LANES[:] = [_start({**given, "contender": "ours_lane"}) for _ in range(2)]
        for lane in LANES:
            assert lane.stdout
            assert lane.stdout.readline() == READY
    if given["contender"] == "ours_lane":
        print(READY, end="", flush=True)


def _decided_once(given: Given) -> None:
    """The imports that a model's form needs."""
    from iris_core.models.decide import Decider

    Decider(model_of(given), scoring_kinds.NAMES)


def pandas_plain(given: Given) -> int:
    import pandas as pd

    model = model_of(given)
    frame = pd.read_csv(given["source"])
    frame["prediction"] = model.predict(frame[list(COLUMNS)])
    frame.to_csv(given["out"], index=False)
    return len(frame)


def pandas_chunked(given: Given) -> int:
    import pandas as pd

    model, rows = model_of(given), 0
    with Path(given["out"]).open("w") as out:
        for frame in pd.read_csv(given["source"], chunksize=200_000):
            frame["prediction"] = model.predict(frame[list(COLUMNS)])
            frame.to_csv(out, index=False, header=rows == 0)
            rows += len(frame)
    return rows


def polars_map_batches(given: Given) -> int:
    import polars as pl

    model = model_of(given)

    def decided(frame: pl.DataFrame) -> pl.DataFrame:
        predicted = model.predict(frame.select(COLUMNS).to_pandas())
        return frame.with_columns(pl.Series("prediction", predicted, dtype=pl.String))

    scanned = pl.scan_csv(given["source"])
    schema = scanned.collect_schema()
    schema["prediction"] = pl.String()
    scanned.map_batches(decided, schema=schema, streamable=True).sink_csv(given["out"])
    return int(given["rows"])


def pandas_store(given: Given) -> int:
    """Pandas as one would write it: the object in memory, both ways."""
    import pandas as pd

    store, version = stored(given)
    model = model_of(given)
    frame = pd.read_csv(io.BytesIO(b"".join(_ranged(store, version))))
    frame["prediction"] = model.predict(frame[list(COLUMNS)])
    text = frame.to_csv(index=False).encode()
    pieces = (text[place : place + READ_BYTES] for place in range(0, len(text), READ_BYTES))
    store.put_stream(BUCKET, given["key"], pieces, "text/csv")
    return len(frame)


def _ranged(store: Any, version: Any) -> Iterator[bytes]:
    for place in range(0, version.size, READ_BYTES):
        yield store.read(version, place, min(place + READ_BYTES, version.size))


def stored(given: Given) -> tuple[Any, Any]:
    from iris_core.store.objects import ObjectStore, StoreAccess

    store = ObjectStore(StoreAccess(*given["access"]))
    return store, store.head(BUCKET, given["object"])


def _scoring(given: Given) -> Any:
    from iris_core.models.decide import Decider
    from iris_core.scoring.output import Options, Scoring

    how = given["how"]
    decider = None if how == "copy" else Decider(model_of(given), COLUMNS, fast=how == "linear")
    return Scoring(decider, load_project().table, Options("1"))


def ours_local(given: Given) -> int:
    from iris_core.scoring.engine import score_table
    from iris_core.tables import LocalInput

    source = LocalInput(Path(given["source"]))
    with Path(given["out"]).open("wb") as out:
        return score_table(source, _scoring(given), out, io.BytesIO()).counts.rows


def ours_store(given: Given) -> int:
    from iris_core.scoring.engine import score_table
    from iris_core.tables import StoredInput

    store, version = stored(given)
    source = StoredInput(store, version)
    out = assembly(store, given["key"], 1)
    with out.writing(0, version.size) as part:
        rows = score_table(source, _scoring(given), part, io.BytesIO()).counts.rows
    out.put_together([part.written])
    return rows


def assembly(store: Any, key: str, count: int) -> Any:
    from iris_core.store.assembly import Assembly

    return Assembly(store, BUCKET, key, "text/csv", f"{WORK}/{count}", count)


def ours_shard(given: Given) -> int:
    """A shard; tells what it wrote by a file, as a task of Airflow does by an XCom."""
    from iris_core.scoring.engine import score_table
    from iris_core.scoring.stretches import stretch_rows
    from iris_core.tables import StoredInput
    from iris_core.tables.cutting import Cutting

    store, version = stored(given)
    source, cut, index = StoredInput(store, version), Cutting(**given["cutting"]), given["index"]
    out = assembly(store, given["key"], cut.count)
    rows = stretch_rows(source, cut, index, out)
    with out.writing(index, cut.step) as part:
        count = score_table(source, _scoring(given), part, io.BytesIO(), rows).counts.rows
    Path(given["told"]).write_text(part.written.model_dump_json())
    return count


def ours_shards(given: Given) -> int:
    """Cut, scored by two processes as Airflow's workers would, put together."""
    from iris_core.store.assembly import WrittenPart
    from iris_core.tables import StoredInput
    from iris_core.tables.cutting import cutting

    store, version = stored(given)
    cut = cutting(StoredInput(store, version), max(version.size // given["shards"], 1))
    assert cut is not None
    waiting = [
        {**given, "cutting": vars(cut), "index": index, "told": f"{given['out']}.{index}.json"}
        for index in range(cut.count)
    ]
    for place, lane in enumerate(LANES):
        assert lane.stdin
        lane.stdin.write(json.dumps(waiting[place::2]) + "\n")
        lane.stdin.flush()
    done = [_finish(lane) for lane in LANES]
    rows: int = sum(one["rows"] for one in done)
    PEAK_BELOW[0] = max(one["peak_mb"] for one in done)
    CPU_BELOW[0] = sum(one["cpu"] for one in done)
    parts = [WrittenPart.model_validate_json(Path(one["told"]).read_text()) for one in waiting]
    assembly(store, given["key"], cut.count).put_together(parts)
    return rows


def ours_lane(_: Given) -> int:
    return sum(ours_shard(one) for one in json.loads(sys.stdin.readline()))


def pandas_kinds(given: Given) -> int:
    return scoring_kinds.pandas_kinds(given, model_of(given))


def ours_kinds(given: Given) -> int:
    return scoring_kinds.ours_kinds(given, model_of(given))


CONTENDERS: dict[str, Callable[[Given], int]] = {
    one.__name__: one
    for one in (
        pandas_plain,
        pandas_chunked,
        polars_map_batches,
        pandas_store,
        ours_local,
        ours_store,
        ours_shards,
        ours_lane,
        pandas_kinds,
        ours_kinds,
    )
}


def contend(given: Given) -> None:
    """What a contender's process does: run, and tell rows, seconds and peak memory."""
    prepare(given)
    before, began = _cpu(), time.perf_counter()
    rows = CONTENDERS[given["contender"]](given)
    seconds = time.perf_counter() - began
    peak = max(_peak_mb(), PEAK_BELOW[0])
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mb": peak, "cpu": _cpu() - before}))


def _peak_mb() -> float:
    """This process's own peak: `ru_maxrss` would begin with that of the process it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _cpu() -> float:
    """Seconds of processor time, of this process and of the workers that it gave shards."""
    return sum(os.times()[:2]) + CPU_BELOW[0]


def _start(given: Given) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--contend", json.dumps(given)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"A contender failed with exit code {process.returncode}.")
    result: dict[str, Any] = json.loads(told.splitlines()[-1])
    return result


def _measured(given: Given) -> dict[str, Any]:
    """A contender's result; what those before it wrote is on disk by then, and not written on its time."""
    os.sync()
    return _finish(_start(given))


@contextmanager
def object_store(folder: Path) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """A store on a free port: its name, and how to reach it."""
    port, user, secret = _free_port(), "bench", secrets.token_hex(12)
    binary = os.environ.get("MINIO_BIN") or shutil.which("minio")
    endpoint = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": secret}
    if binary:
        command = [binary, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(folder)]
        name, access = "MinIO", (endpoint, user, secret)
    else:
        command = [sys.executable, "-m", "devstack.embedded_s3", "--port", str(port)]
        command += ["--access-key", user, "--data", str(folder)]
        name, access = "embedded", (endpoint, user, f"{user}-secret")
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(endpoint)
        yield name, access
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await(endpoint: str) -> None:
    for _ in range(SETTLE_S * 5):
        try:
            urllib.request.urlopen(endpoint, timeout=2)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"The store did not answer at {endpoint}.")


def put(access: tuple[str, str, str], path: Path, key: str) -> None:
    """Upload a file."""
    from iris_core.store.objects import ObjectStore, StoreAccess

    store = ObjectStore(StoreAccess(*access))
    store.ensure_bucket(BUCKET, versioned=False)
    with path.open("rb") as file:
        store.put_stream(BUCKET, key, iter(lambda: file.read(READ_BYTES), b""), "text/csv")


def same_bytes(access: tuple[str, str, str], keys: Sequence[str]) -> bool:
    """Whether objects hold the same bytes."""
    from iris_core.store.objects import ObjectStore, StoreAccess

    store = ObjectStore(StoreAccess(*access))
    found = set()
    for key in keys:
        digest = hashlib.sha256()
        for piece in _ranged(store, store.head(BUCKET, key)):
            digest.update(piece)
        found.add(digest.hexdigest())
    return len(found) == 1


def mismatches(ours: Path, model: Path) -> int:
    """Rows whose prediction is not what `model.predict` says of the same numbers."""
    import pandas as pd

    estimator, wrong = pickle.loads(model.read_bytes()), 0
    for frame in pd.read_csv(ours, chunksize=500_000, float_precision="round_trip"):
        wrong += int((estimator.predict(frame[list(COLUMNS)]) != frame["prediction"].to_numpy()).sum())
    return wrong


class Bench:
    """Runs contenders and keeps what they measured."""

    def __init__(self, folder: Path, access: tuple[str, str, str], repeat: int) -> None:
        self.folder, self.access, self.repeat = folder, access, repeat
        self.measured: dict[str, dict[str, Any]] = {}

    def run(self, name: str, contender: str, source: Path, rows: int, **given: Any) -> None:
        """The best of `repeat` runs by time; its highest peak."""
        task = {
            "contender": contender,
            "source": str(source),
            "object": source.name,
            "out": str(self.folder / f"{name}.csv"),
            "key": f"out/{name}.csv",
            "model": str(self.folder / "model.pickle"),
            "access": self.access,
            "rows": rows,
            "shards": 8,
            **given,
        }
        runs = [_measured(task) for _ in range(self.repeat)]
        assert all(run["rows"] == rows for run in runs), (name, runs)
        best = min(runs, key=lambda run: run["seconds"])
        peak = max(run["peak_mb"] for run in runs)
        self.measured[name] = {**best, "peak_mb": peak, "rate": rows / best["seconds"]}
        told = self.measured[name]
        print(
            f"{name:<24}{rows:>12,}{told['rate'] / 1e6:>10.2f} M rows/s{told['peak_mb']:>9.0f} MB"
            f"{told['seconds']:>9.2f} s{told['cpu']:>9.2f} s cpu",
            flush=True,
        )

    def ratio(self, one: str, other: str, what: str = "rate") -> float:
        """How many times `other` one is."""
        return float(self.measured[one][what] / self.measured[other][what])


def bench(rows: int, large: int, repeat: int, folder: Path) -> None:
    """Measure everything; `large` rows tell whether rate and memory depend on the size."""
    from devstack.figures import write_figures
    from devstack.home import find_home

    fit(folder / "model.pickle")
    small_file, large_file = folder / "rows.csv", folder / "large.csv"
    generate(small_file, rows)
    with object_store(folder / "store") as (store, access):
        print(f"{rows:,} rows, {small_file.stat().st_size >> 20} MB; store: {store}; {os.cpu_count()} cores")
        contest = Bench(folder, access, repeat)
        _small(contest, small_file, rows)
        put(access, small_file, small_file.name)
        _stores(contest, small_file, rows)
        assert same_bytes(access, ["out/ours_store_linear.csv", "out/ours_shards.csv"])
        unlike = _kinds(contest, folder, rows)
        wrong = mismatches(folder / "ours_local_linear.csv", folder / "model.pickle")
        for left in folder.glob("*s_*.csv"):
            left.unlink()
        generate(large_file, large)
        put(access, large_file, large_file.name)
        large_file_rows = {"how": "linear"}
        contest.run("ours_store_large", "ours_store", large_file, large, **large_file_rows)
        planning = plan_10gb_vs_1gb(access, large_file.name)
    figures = [*_figures(contest, wrong, rows, large), planning, *_kinds_figures(contest, unlike)]
    where = find_home()
    parameters = {
        "rows": rows,
        "large_rows": large,
        "repeat": repeat,
        "store": store,
        "measured": contest.measured,
    }
    write_figures(where, "bench-scoring", figures, parameters)
    for figure in figures:
        sign = ">=" if figure.better == "higher" else "<="
        print(
            f"{figure.name:<30}{figure.value:>10.2f} {figure.unit:<5} goal {sign} {figure.goal:g}  "
            f"{'met' if figure.met else 'missed'}"
        )


def _small(contest: Bench, source: Path, rows: int) -> None:
    contest.run("pandas", "pandas_plain", source, rows)
    contest.run("pandas_chunks", "pandas_chunked", source, rows)
    contest.run("polars_map_batches", "polars_map_batches", source, rows)
    contest.run("ours_local_linear", "ours_local", source, rows, how="linear")
    contest.run("ours_local_any", "ours_local", source, rows, how="any")
    contest.run("ours_local_copy", "ours_local", source, rows, how="copy")


def _stores(contest: Bench, source: Path, rows: int) -> None:
    contest.run("pandas_store", "pandas_store", source, rows)
    contest.run("ours_store_linear", "ours_store", source, rows, how="linear")
    contest.run("ours_store_any", "ours_store", source, rows, how="any")
    contest.run("ours_store_copy", "ours_store", source, rows, how="copy")
    contest.run("ours_shards", "ours_shards", source, rows, how="linear")


def plan_10gb_vs_1gb(access: tuple[str, str, str], key: str) -> Any:
    """How much longer it takes to cut a table of 10 GB than one of 1 GB."""
    from devstack.figures import Figure
    from iris_core.tables import StoredInput
    from iris_core.tables.cutting import cutting

    @dataclass(frozen=True)
    class Sized(StoredInput):
        bytes_told: int = 0

        @property
        def size(self) -> int:
            return self.bytes_told

    store, version = stored({"access": access, "object": key})

    def seconds(size: int) -> float:
        began = time.perf_counter()
        cutting(Sized(store, version, bytes_told=size), 256 << 20)
        return time.perf_counter() - began

    taken = [(seconds(10**9), seconds(10**10)) for _ in range(PLANNED)]
    small, large = (statistics.median(each) for each in zip(*taken, strict=True))
    return Figure(
        name="plan_10gb_vs_1gb",
        value=large / small,
        unit="x",
        baseline=small,
        goal=1.2,
        reason="a stored table whose size is told as 1 and as 10 GB: only its head is read",
    )


def _kinds(contest: Bench, folder: Path, rows: int) -> int:
    """Measure the table with features of every kind; count predictions that are not the baseline's."""
    source, unlike = folder / "kinds.csv", 0
    scoring_kinds.fit(folder)
    scoring_kinds.generate(source, rows)
    for name in scoring_kinds.ESTIMATORS:
        model = str(folder / f"{name}.pickle")
        contest.run(f"pandas_{name}", "pandas_kinds", source, rows, model=model)
        contest.run(f"ours_{name}", "ours_kinds", source, rows, model=model)
        ours, theirs = (folder / f"{side}_{name}.csv" for side in ("ours", "pandas"))
        unlike += scoring_kinds.mismatches(ours, theirs)
        ours.unlink()
        theirs.unlink()
    source.unlink()
    return unlike


def _kinds_figures(contest: Bench, unlike: int) -> list[Any]:
    from devstack.figures import Figure

    def times(name: str, goal: float) -> Figure:
        return Figure(
            name=f"{name}_vs_pandas_chunks",
            value=contest.ratio(f"ours_{name}", f"pandas_{name}"),
            unit="x",
            baseline=contest.measured[f"pandas_{name}"]["rate"],
            goal=goal,
            better="higher",
        )

    peak = max(contest.measured[f"ours_{name}"]["peak_mb"] for name in scoring_kinds.ESTIMATORS)
    return [
        times("one_hot_linear", 6),
        times("gradient_boosting", 1.5),
        Figure(name="kinds_peak_rss_mb", value=peak, unit="MB", goal=500),
        Figure(name="kinds_mismatches", value=float(unlike), unit="rows", goal=0),
    ]


def _figures(contest: Bench, wrong: int, rows: int, large: int) -> list[Any]:
    from devstack.figures import Figure

    sizes = f"measured at {large:,} and {rows:,} rows"

    def higher(
        name: str, value: float, goal: float, baseline: float | None = None, reason: str = ""
    ) -> Figure:
        return Figure(
            name=name, value=value, unit="x", baseline=baseline, goal=goal, better="higher", reason=reason
        )

    plain, stored_rate = contest.measured["pandas"]["rate"], contest.measured["pandas_store"]["rate"]
    return [
        higher("local_linear_vs_pandas", contest.ratio("ours_local_linear", "pandas"), 12, plain),
        higher("local_any_vs_pandas", contest.ratio("ours_local_any", "pandas"), 6, plain),
        higher("store_linear_vs_pandas", contest.ratio("ours_store_linear", "pandas_store"), 8, stored_rate),
        higher("shards_vs_one_process", contest.ratio("ours_shards", "ours_store_linear"), 0.7),
        higher("local_linear_share_of_copy", contest.ratio("ours_local_linear", "ours_local_copy"), 0.75),
        Figure(
            name="store_peak_rss_mb",
            value=contest.measured["ours_store_linear"]["peak_mb"],
            unit="MB",
            goal=500,
        ),
        Figure(
            name="rss_100m_vs_10m",
            value=contest.ratio("ours_store_large", "ours_store_linear", "peak_mb"),
            unit="x",
            goal=1.1,
            reason=sizes,
        ),
        higher("rate_100m_vs_10m", contest.ratio("ours_store_large", "ours_store_linear"), 0.9, reason=sizes),
        Figure(name="mismatches_vs_predict", value=float(wrong), unit="rows", goal=0),
    ]


def main() -> None:
    """Parse the command line, or be a contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--large", type=int, default=0, help="rows of the large table; ten times as many")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the best counts")
    parser.add_argument("--folder", type=Path, default=None, help="for generated tables; deleted afterwards")
    parser.add_argument("--contend", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contend:
        contend(json.loads(given.contend))
        return
    with tempfile.TemporaryDirectory(prefix="iris-bench-", dir=given.folder) as folder:
        bench(given.rows, given.large or 10 * given.rows, given.repeat, Path(folder))


if __name__ == "__main__":
    main()
