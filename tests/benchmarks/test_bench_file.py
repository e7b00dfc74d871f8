"""What `mgsc bench` has measured is kept while it measures on."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from mgsc.benchmarks import report


class Row(NamedTuple):
    name: str
    number: float


def test_issue_a_stopped_benchmark_keeps_what_it_has_measured(tmp_path, monkeypatch) -> None:
    def stops(**scale):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "measure_rivals", lambda *arguments: [Row("rival", 1.0)])
    monkeypatch.setattr(report, "measure_pairs", lambda **scale: [Row("pair", 2.0)])
    monkeypatch.setattr(report, "measure_parts", stops)
    with pytest.raises(KeyboardInterrupt):
        report.bench(str(tmp_path / "bench.json"))
    (kept,) = tmp_path.iterdir()
    assert kept.name == "bench.json.partial"
    assert json.loads(kept.read_text()) == {
        "the rivals": [{"name": "rival", "number": 1.0}],
        "ours and numba in turn": [{"name": "pair", "number": 2.0}],
    }
