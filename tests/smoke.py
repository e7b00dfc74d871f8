"""Tries the installed package outside its checkout; `make build` runs it on the wheel and on the source archive.

Not a test module: it must import nothing but what is installed.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import mgsc
from mgsc.experiments import SUITES, compare, open_result, tuned_suite

RUN = ("--agents", "uniform", "meta_gradient", "--seeds", "2", "--steps", "2500")
COMMANDS = (
    ["--version"],
    ["list"],
    ["run", "tmaze-fixed", *RUN, "--out", "result"],
    ["compare", "result", "--markdown"],
    ["diagnose", "result"],
    ["figures", "result"],
    ["report", "result"],
    ["study", "show", "slip"],
    ["sensitivity", "tmaze-fixed", "--out", "sensitivity"],
)


def main() -> None:
    """Runs every command, and looks at what they left.

    Raises:
        SystemExit: something is not as it should be.
    """
    installed = Path(mgsc.__file__).resolve()
    if Path(sysconfig.get_path("purelib")).resolve() not in installed.parents:
        raise SystemExit(f"mgsc is {installed}, not what was installed")
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            done = subprocess.run(
                [sys.executable, "-m", "mgsc.cli", *command], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode or not done.stdout:
                raise SystemExit(f"mgsc {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        result = open_result(Path(folder) / "result")
        if result.sizes["seed"] != 2 or len(compare(result).rows) != 2:
            raise SystemExit("the result is not what was asked for")
        if not (Path(folder) / "result" / "report.html").is_file():
            raise SystemExit("there is no report")
    for suite in SUITES:
        tuned_suite(suite)
    print(f"mgsc {mgsc.__version__} works as installed ({len(COMMANDS)} commands, {len(SUITES)} suites)")


if __name__ == "__main__":
    main()
