"""`./dev bench`: measure a running shop, in a process that can talk to its database."""

import json
import signal
import subprocess

from .cache import ROOT
from .workspace import SHOP, open_workspace


def run_bench(**options):
    """Measure; returns the exit code, which tells nothing of how fast it was.

    :param options: `is_quick` and `parts` to measure less or all; `what` to profile that; `tills`
        and `minutes` to load a shop: then the exit code tells whether it held the peak hour; or
        `minutes` and `seed`, to trade for some minutes: then it tells whether everything was right
        in the end.
    """
    with open_workspace(SHOP) as workspace:
        environment = workspace.environment
        process = subprocess.Popen(
            [environment.python, '-m', 'bench', json.dumps(options)], cwd=ROOT,
            env={**environment.variables(), 'VIPPS_DEV_WORKSPACE': workspace.to_json()},
        )
        # Ctrl-C reaches it by itself, and it has something to stop.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        finally:
            process.terminate()
            process.wait()
            signal.signal(signal.SIGINT, previous)
