"""What the pages say, through the application in this process."""

from __future__ import annotations

import re
import sqlite3
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from costmodel.records import Outcome, Schedule, Target, Workload
from costmodel.store import open_store
from tests.dashboard import realistic
from tests.dashboard.conftest import Get
from tests.dashboard.realistic import LAPTOP, MATMUL, SOFTMAX, TARGET

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}$\\frac{"
PAGES = ("/", "/runs", "/failures", "/targets", "/workload", "/predicted")


def of(workload: Workload = MATMUL, target: Target = TARGET) -> str:
    return f"workload={workload.hash}&target={target.hash}"


def text(reply: Any) -> str:
    """What a page says, without its marks."""
    assert reply.status_code == 200, reply.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", reply.text)).split())


def test_the_overview_counts_and_names_the_best(ask: Get, path: Path) -> None:
    said = text(ask("/"))
    with open_store(path, read_only=True) as store:
        stats = store.stats()
        best = store.best_known(workload=MATMUL.hash, target=TARGET.hash)
    assert best is not None
    failed = stats["measurements"] - stats["by_outcome"]["ok"]
    assert f"measurements {stats['measurements']} workloads 2" in said
    assert f"targets 2 runs 5 failed {failed}" in said
    assert f"{best[0]:.0f} us {best[1].schedule.backend}" in said
    assert said.index("bert_softmax") < said.index("matmul_bias_relu")  # the latest comes first


def test_runs_are_what_was_measured_without_a_pause(ask: Get) -> None:
    said = text(ask("/runs"))
    assert "without a pause of more than 10 min 00 s" in said
    begins = re.findall(r"2026-11-2\d \d\d:\d\d:\d\d", said)
    assert begins[:-1] == sorted(begins[:-1], reverse=True)
    assert len(begins) == 5 + 1  # and when the page was made
    one = text(ask(f"/runs?workload={SOFTMAX.hash}"))
    assert "Runs of bert_softmax" in one
    assert "matmul_bias_relu" not in one


def test_a_workload_has_its_schedules_compared(ask: Get, path: Path) -> None:
    said = text(ask(f"/workload?{of()}&all=1"))
    with open_store(path, read_only=True) as store:
        known = {one.schedule.hash for one in store.measurements(target=TARGET.hash)
                 if one.workload == MATMUL.hash}  # fmt: skip
        default = store.best(workload=MATMUL.hash, target=LAPTOP.hash)
    assert default is not None
    for hash in known:
        assert hash[:12] in said
    assert "512x512xf32 , 512x512xf32 , 512xf32" in said
    assert "linalg.matmul ins(%arg0, %arg1" in said
    assert '"distribution": [' in said
    assert "iree-base-compiler 3.13.0" in said
    assert "default" in said
    assert "1.00 \N{MULTIPLICATION SIGN}" in said  # the default against itself
    assert "Intel Core i7-1185G7, 8 threads (20)" in said
    other = text(ask(f"/workload?{of(target=LAPTOP)}"))
    assert f"best {default.latency_us / 1000:.2f} ms" in other


def test_failures_come_by_kind_with_the_newest_texts(ask: Get, path: Path) -> None:
    with open_store(path) as store:
        crash = realistic.failed(
            MATMUL, TARGET, realistic.tvm(8, 1), 2e9, Outcome.CRASH, "a newer crash"
        )
        store.add([crash])
        counts = store.stats()["by_outcome"]
    said = text(ask("/failures"))
    for outcome, error in realistic.ERRORS.items():
        assert re.search(rf"\b{outcome} {counts[outcome]}\b", said)
        assert error in said
    assert said.index("a newer crash") < said.index(realistic.ERRORS[Outcome.CRASH])
    assert f"{counts['build_error']} times this text" in said
    assert "a newer crash" not in text(ask(f"/failures?workload={SOFTMAX.hash}"))


def test_targets_are_described(ask: Get) -> None:
    said = text(ask("/targets"))
    assert "AMD EPYC (AuthenticAMD 25 17), 2 threads" in said
    assert "32.0 KiB, 1.00 MiB, 32.0 MiB" in said
    assert "f32 226 GFLOP/s" in said
    assert "not measured" in said  # the laptop


@pytest.mark.parametrize("name", ["best", "schedules", "failures"])
def test_plots_are_pictures_that_the_pages_describe(ask: Get, name: str) -> None:
    page = ask("/failures" if name == "failures" else f"/workload?{of()}").text
    (tag,) = re.findall(rf"<img[^>]*/plot/{name}\.svg[^>]*>", page)
    alt = re.search(r'alt="([^"]+)"', tag)
    assert alt is not None
    assert len(alt[1]) > 30
    address = re.search(r'src="([^"]+)"', tag)
    assert address is not None
    reply = ask(unescape(address[1]))
    assert reply.headers["content-type"] == "image/svg+xml"
    root = ET.fromstring(reply.text)
    assert root.tag.endswith("svg")
    assert float(root.attrib["width"].removesuffix("pt")) * 4 / 3 == pytest.approx(
        float(re.search(r'width="(\d+)"', tag)[1]), rel=0.01  # type: ignore[index]
    )  # fmt: skip
    assert len(list(root.iter())) > 100


def test_pages_show_what_a_running_tune_adds(ask: Get, path: Path) -> None:
    before = text(ask("/"))
    with open_store(path) as store:
        fast = realistic.measured(MATMUL, TARGET, realistic.iree(1, 2, 3), 1.9e9, (123.0,) * 5)
        store.add([fast])
        after = text(ask("/"))  # while the writer has it open
    assert "123 us" not in before
    assert "123 us" in after
    assert "Measured last: matmul_bias_relu" in after
    raw = ask("/store/measurements.json?_shape=array&_size=1&_sort_desc=seq").json()
    assert raw[0]["id"] == fast.id


def test_raw_tables_and_sql_that_reads(ask: Get) -> None:
    assert ask("/store/measurements").status_code == 200
    row = ask("/store.json?sql=select+count(*)+as+n+from+targets&_shape=array").json()
    assert row == [{"n": 2}]


@pytest.mark.parametrize(
    "sql", ["delete from measurements", "attach 'other.db' as o", "pragma journal_mode=delete",
            "select zeroblob(1000000000)",
            "with recursive n(x) as (select 1 union all select x+1 from n) select sum(x) from n"],
)  # fmt: skip
def test_sql_changes_nothing_and_ends(
    ask: Get, path: Path, sql: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = path.read_bytes()
    assert ask("/store", params={"sql": sql}).status_code in (400, 403)
    assert path.read_bytes() == before
    assert not path.with_name("other.db").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_answered(ask: Get, method: str) -> None:
    assert ask("/", method=method).status_code == 405
    assert ask("/store/measurements", method=method).status_code == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("LOCALHOST.:9", 200), ("127.0.0.1:8001", 200), ("[::1]:8001", 200),
     ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421),
     ("10.0.0.7", 421), ("localhost:evil", 421), ("[::1", 421), ("", 421)],
)  # fmt: skip
def test_who_calls_it_by_another_name_is_refused(ask: Get, host: str, status: int) -> None:
    for address in ("/", "/store/measurements.json", "/board/board.css"):
        reply = ask(address, headers={"host": host})
        assert reply.status_code == status, address
        assert (status == 200) or "matmul" not in reply.text


def test_browsers_are_told_to_run_and_share_nothing(ask: Get) -> None:
    ours = ask("/").headers
    assert "default-src 'none'" in ours["content-security-policy"]
    assert "script" not in ours["content-security-policy"]
    assert ours["cache-control"] == "no-store"
    for address in ("/", "/store", "/nothing"):
        headers = ask(address).headers
        assert "https:" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers


def fill_with_hostility(path: Path) -> tuple[Workload, Target]:
    """Text of a stranger wherever a store takes text."""
    workload = Workload(HOSTILE, HOSTILE, MATMUL.inputs, MATMUL.outputs)
    target = Target(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), 1, (1,), 1, {HOSTILE: 1.0})
    schedule = Schedule(HOSTILE, HOSTILE)
    with open_store(path) as store:
        store.add_workload(workload)
        store.add_target(target)
        store.add([
            realistic.measured(workload, target, schedule, 2e9, (1e-300, 1e300, 5.0)),
            realistic.measured(workload, target, realistic.DEFAULT, 1e300, (7.0,)),
            realistic.measured(workload, target, Schedule("iree", "[" * 100_000), 2e9, (7.0,)),
            realistic.failed(workload, target, schedule, -1e300, Outcome.CRASH, HOSTILE * 500),
        ])  # fmt: skip
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE measurements SET outcome = ? WHERE error != ''", [HOSTILE])
        connection.execute(f'CREATE TABLE "{HOSTILE.replace(chr(34), "")}" (x)')
    connection.close()
    return workload, target


def test_nothing_of_a_store_becomes_part_of_a_page(
    ask: Get, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "hostile.sqlite"
    about = of(*fill_with_hostility(place))
    addresses = [f"{page}?{about}" for page in PAGES]
    addresses += ["/store", "/store/schedules", "/store/measurements", "/store/targets", "/nothing"]
    for address in [*addresses, f"/workload?workload={HOSTILE}", f"/store/{HOSTILE}"]:
        page = ask(address, of=place).text
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address
        assert "49" not in re.findall(r"onerror=alert\(2\)\W+(\d+)", page), address
    assert "&lt;script&gt;" in ask("/failures", of=place).text
    for name in ("best", "schedules", "failures"):
        reply = ask(f"/plot/{name}.svg?{about}", of=place)
        assert reply.status_code == 200, reply.text
        assert "<script" not in reply.text
        ET.fromstring(reply.text)
    assert "Traceback" not in capfd.readouterr().err


def test_damaged_rows_are_left_out_and_counted(ask: Get, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE measurements SET samples = 'x' WHERE seq IN (2, 3)")
        connection.execute("UPDATE measurements SET timestamp = 'x' WHERE seq = 4")
        connection.execute("UPDATE targets SET facts = '{}' WHERE hash = ?", [LAPTOP.hash])
        connection.execute("UPDATE workloads SET text = 'x' WHERE hash = ?", [SOFTMAX.hash])
    connection.close()
    assert re.search(r"\d rows cannot be read", text(ask(f"/workload?{of()}")))
    assert f"{LAPTOP.hash[:12]} (damaged)" in text(ask("/targets"))
    assert "is damaged" in text(ask(f"/workload?{of(SOFTMAX)}"))
    assert "cannot be read" in text(ask(f"/predicted?{of(SOFTMAX)}"))
    for page in ("/", "/runs", "/failures"):
        assert ask(page).status_code == 200


def test_an_empty_store_says_so(ask: Get, tmp_path: Path) -> None:
    place = tmp_path / "empty.sqlite"
    open_store(place).close()
    assert "Nothing has been measured yet" in text(ask("/", of=place))
    assert "Nothing has been measured yet" in text(ask("/runs", of=place))
    assert "Of 0 measurements none failed" in text(ask("/failures", of=place))
    assert "knows no target" in text(ask("/targets", of=place))


def test_what_is_not_there_is_said_for_people(
    ask: Get, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for address, said in (
        ("/nothing", "there is no such page"),
        ("/workload?workload=ff", "the store has no workload"),
        (f"/workload?workload={MATMUL.hash}&target=ff", "not measured on a target"),
        (f"/plot/best.svg?workload={'f' * 64}", "the store has no workload"),
    ):
        reply = ask(address)
        assert reply.status_code == 404, address
        assert said in reply.text
    path.rename(path.with_name("moved.sqlite"))
    gone = ask("/")
    assert gone.status_code == 503
    assert "cannot be opened" in gone.text
    assert capfd.readouterr() == ("", "")


def test_no_trained_model_is_a_note_with_the_reason(ask: Get) -> None:
    said = text(ask(f"/predicted?{of()}"))
    assert "No predictions: no trained model is in use here" in said
    assert ask(f"/plot/predicted.svg?{of()}").status_code == 404
