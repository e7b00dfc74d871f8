"""A process that tunes into a file until it stands still in its last round, to be killed; for `test_tuning_file`."""

import sys
import time

import pytest
from tests.experiments.small_tuning import PROTOCOL, SUITE
from tests.quick import compile_quickly

from mgsc.experiments.running.progress import Progress
from mgsc.experiments.tuning.file import tune_to_file

if __name__ == "__main__":
    rounds_left = int(sys.argv[2])

    def advance(agent: str, steps: int) -> None:
        global rounds_left
        if not rounds_left:
            print("stands still", flush=True)
            time.sleep(600)
        rounds_left -= 1

    with pytest.MonkeyPatch.context() as patch:
        compile_quickly(patch)
        tune_to_file("tmaze-fixed", SUITE, PROTOCOL, sys.argv[1], progress=Progress(advance=advance))
