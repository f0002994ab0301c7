"""Print how much disk an install of the core takes, without pip and setuptools; fail above the limit.

python scripts/installed_size.py [PYTHON of an environment]   default: a new one, made and removed here
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 470
NOT_OURS = ("pip", "setuptools", "_distutils_hack", "distutils-precedence", "__pycache__")


def main() -> None:
    if len(sys.argv) > 1:
        sys.exit(report(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *constraints, str(ROOT)], check=True)
        sys.exit(report(python))


def report(python: Path) -> int:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(
        subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    )
    sizes = measure(site)
    total = sum(sizes.values()) / 1e6
    largest = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in sizes.most_common(6))
    print(f"An install of the core takes {total:.0f} MB on disk ({largest}); at most {LIMIT_MB}.")
    return int(total >= LIMIT_MB)


def measure(site: Path) -> Counter[str]:
    """Return bytes on disk for each package of a site-packages folder, with the byte code that is there."""
    sizes: Counter[str] = Counter()
    for path in site.rglob("*"):
        top = path.relative_to(site).parts[0]
        if path.is_file() and not path.is_symlink() and not top.startswith(NOT_OURS):
            sizes[top.removesuffix(".libs")] += path.stat().st_blocks * 512
    return sizes


if __name__ == "__main__":
    main()
