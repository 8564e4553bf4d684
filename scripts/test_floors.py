"""Do the lowest versions that pyproject.toml allows work?  A fresh environment of them, and a part of the tests.

    python scripts/test_floors.py --python python3.10   # the Python to make it from; removed afterwards
    python scripts/test_floors.py --keep floors-env     # kept there, and taken again by the next call
    python scripts/test_floors.py tests                 # other tests

Needs a package registry and 8 GB of disk (torch with CUDA is 5 of them); about ten minutes.  What srae's own
requirements need in turn comes in its newest version, as a user would get it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# One that touches each library, and the rows that name many.
TESTS = ("tests/runs", "tests/test_device.py", "tests/test_imports.py", "tests/analysis", "tests/config",
         "tests/images", "tests/data/test_demo.py", "tests/data/test_mapped.py", "tests/cli/test_cli_flow.py",
         "tests/cli/test_cli_manners.py", "tests/cli/test_schema.py", "tests/checkpoints",
         "tests/upscaling/test_api.py", "tests/report/test_report.py", "tests/report/test_curves.py",
         "tests/training/test_loop.py", "tests/faults/test_other_systems.py")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="make the environment here, and leave it")
    parser.add_argument("tests", nargs="*", default=TESTS, help="what pytest is to run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="srae-floors-") as folder:
        environment = (args.keep or Path(folder) / "env").absolute()
        subprocess.run([args.python, "-m", "venv", str(environment)], check=True)
        python = str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", "uv"], check=True)
        # Without a cache, which would be as large again and stay.
        install = [python, "-m", "uv", "pip", "install", "--quiet", "--no-cache", "--python", python]
        subprocess.run([*install, "--resolution", "lowest-direct", "--editable", "."], cwd=ROOT, check=True)
        freeze = [python, "-m", "uv", "pip", "freeze", "--exclude-editable", "--python", python]
        floors = subprocess.run(freeze, check=True, capture_output=True, encoding="utf-8").stdout
        print(floors)
        # What tests need must not lift a floor: the newest imagecodecs would bring a NumPy that old SciPy cannot load.
        (Path(folder) / "floors.txt").write_text(floors, encoding="utf-8")
        constraint = ["--constraint", str(Path(folder) / "floors.txt")]
        subprocess.run([*install, "--group", "test", *constraint], cwd=ROOT, check=True)
        # An old library with a new one below it may warn of itself; here that is no error.
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", *args.tests]
        return subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
