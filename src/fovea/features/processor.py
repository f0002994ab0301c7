"""What this computer gives us: cores by cgroup quota and affinity, and whether it has bf16 natively."""

import os
import platform
from pathlib import Path

_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # x86 twice, then ARM's name for it


def available_cores(*, cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many cores this process may keep busy, at least 1: its affinity, cut by the cgroup's quota.

    A quota of 1.5 cores counts as 1: a second thread would be throttled half of the time.
    """
    try:
        n_cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        n_cores = os.cpu_count() or 1
    quota = _quota_cores(cgroup)
    return max(1, n_cores if quota is None else min(n_cores, int(quota)))


def _quota_cores(cgroup: Path) -> float | None:
    """Return the tightest quota in cores: version 2 (`cpu.max`, own group and parents), else version 1."""
    quotas = [_version_2(folder / "cpu.max") for folder in _own_groups(cgroup)]
    found = [quota for quota in quotas if quota is not None]
    if found:
        return min(found)
    for folder in (cgroup / "cpu", cgroup / "cpu,cpuacct"):
        quota_us = _number(folder / "cpu.cfs_quota_us")
        period_us = _number(folder / "cpu.cfs_period_us")
        if quota_us is not None and period_us and quota_us > 0:
            return quota_us / period_us
    return None


def _own_groups(cgroup: Path) -> list[Path]:
    """Return the folders of our group and all above it (in a container the root itself is ours)."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return [cgroup]
    own = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    folder = cgroup / own
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(cgroup))]


def _version_2(file: Path) -> float | None:
    try:
        quota, period = file.read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def has_native_bf16(*, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor multiplies bf16 in hardware, by the flags it states; never by timing."""
    if platform.system() != "Linux":
        return False
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in {"flags", "Features"}:
                    return not _BF16_FLAGS.isdisjoint(value.split())
    except OSError:
        pass
    return False
