"""The load test, small: every figure is there and no call failed. How fast it is, nobody asks."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "service" / "loadtest.py"


def test_a_small_load(tmp_path):
    out = tmp_path / "figures.json"
    kept = {k: v for k, v in os.environ.items() if k != "COSTMODEL_WEIGHTS"}
    done = subprocess.run(
        [sys.executable, SCRIPT, "--minutes", "0.02", "--clients", "8", "--json", out,
         "--processes", "1"],
        env=kept, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    for name in ("predict", "lookup", "rank_256", "mixed"):
        assert found[name]["calls"] > 0
        assert found[name]["failed"] == {}
        assert found[name]["p50_ms"] <= found[name]["p99_ms"] <= found[name]["max_ms"]
    assert found["scores_per_s_256"] > 0
    assert found["mixed"]["memory_mib"] > 0
    assert done.stdout.startswith("| what | figure | goal |")
