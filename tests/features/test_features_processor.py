"""Cores by quota and affinity; bf16 by the processor's flags."""

import os
from pathlib import Path

import pytest

from fovea.features.processor import available_cores, has_native_bf16


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cores(cgroup=tmp_path) == 8


@pytest.mark.parametrize(
    ("text", "n_cores"), [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", 8)]
)
def test_a_quota_of_cgroup_2_cuts(tmp_path: Path, text: str, n_cores: int) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert available_cores(cgroup=tmp_path) == n_cores


def test_a_quota_above_the_affinity_does_not_add_cores(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("1600000 100000\n")
    assert available_cores(cgroup=tmp_path) == 8


@pytest.mark.parametrize(("quota_us", "n_cores"), [("300000", 3), ("-1", 8)])
def test_a_quota_of_cgroup_1_cuts(tmp_path: Path, quota_us: str, n_cores: int) -> None:
    folder = tmp_path / "cpu"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text(quota_us)
    (folder / "cpu.cfs_period_us").write_text("100000")
    assert available_cores(cgroup=tmp_path) == n_cores


@pytest.mark.parametrize(
    ("line", "native"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 sse", True),
        ("flags\t\t: fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
        ("model name\t: avx512_bf16", False),
    ],
)
def test_bf16_is_told_by_the_processor_s_flags(tmp_path: Path, line: str, native: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    assert has_native_bf16(cpuinfo=tmp_path / "cpuinfo") is native


def test_no_word_of_the_processor_means_no_bf16(tmp_path: Path) -> None:
    assert has_native_bf16(cpuinfo=tmp_path / "missing") is False
