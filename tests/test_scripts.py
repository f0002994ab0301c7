"""The scripts behind `make`: what they choose and what they refuse."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(SCRIPTS / name))


def test_the_demo_never_writes_into_a_finished_run(tmp_path: Path) -> None:
    demo = script("demo.py")
    demo["fresh_run"].__globals__["RUNS"] = tmp_path
    first = demo["fresh_run"]()
    first.mkdir()
    unfinished = demo["fresh_run"]()
    (first / "model.json").write_text("{}")

    assert (first.name, unfinished.name, demo["fresh_run"]().name) == ("demo", "demo", "demo-2")


def test_the_size_leaves_out_what_every_environment_has(tmp_path: Path) -> None:
    for name in ("pip/a.py", "setuptools/b.py", "numpy/c.so", "numpy.libs/d.so", "numpy-2.dist-info/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 5000)
    sizes = script("installed_size.py")["measure"](tmp_path)

    assert set(sizes) == {"numpy", "numpy-2.dist-info"}
    assert sizes["numpy"] >= 10_000


def test_a_page_that_differs_from_help_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = script("write_docs.py")
    names = docs["main"].__globals__
    names["ROOT"], names["PAGE"] = tmp_path, tmp_path / "cli.md"
    names["render"] = lambda: "new"
    (tmp_path / "cli.md").write_text("old")
    monkeypatch.setattr(sys, "argv", ["write_docs.py", "--check"])

    with pytest.raises(SystemExit, match=r"^cli\.md differs from what --help says\. Run: make docs$"):
        docs["main"]()


def test_every_dependency_of_development_is_pinned() -> None:
    install = script("install_dev.py")
    pyproject = (SCRIPTS.parent / "pyproject.toml").read_text()
    import tomllib

    declared = tomllib.loads(pyproject)
    wanted = [
        *declared["project"]["dependencies"],
        *declared["dependency-groups"]["dev"],
        *install["WITH_TORCH"],
    ]
    pins = {
        line.partition("==")[0].lower()
        for line in (SCRIPTS.parent / "constraints.txt").read_text().splitlines()
    }
    assert [one for one in wanted if one.partition(">=")[0].lower() not in pins] == []


def test_torch_is_pinned_without_a_build_so_that_the_script_can_choose_one() -> None:
    assert "+" not in script("install_dev.py")["pinned"]("torch")
