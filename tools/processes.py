"""Start processes that do not outlive `./dev`, and stop them, each by its own id."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from .console import say

PROGRESS_INTERVAL = 10  # seconds between two signs of life of a long step
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None  # loaded before any fork


class Child:
    """A process of ours, leader of a group of its own, so that Ctrl-C reaches us first."""

    def __init__(self, command, log_path, death_signal=signal.SIGTERM, **arguments):
        """Start the command with its output appended to the log.

        :param death_signal: What asks this kind of process to end; the kernel sends it too when we
            die without a chance to tidy up (Linux only).
        """
        self.death_signal = death_signal
        parent = os.getpid()
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open('ab') as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=lambda: _die_with(parent, death_signal),
                **{'stdin': subprocess.DEVNULL, **arguments},
            )
        self.pid = self.process.pid

    def alive(self):
        """Return whether the process still runs."""
        return self.process.poll() is None

    def stop(self, timeout=20):
        """Ask the process to end, kill it after `timeout` seconds, and end its children."""
        if self.alive():
            self.process.send_signal(self.death_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.kill()

    def kill(self):
        """End the process and all that it started without a chance to tidy up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class Step:
    """A long command that shows that it lives and how long it takes; it does not outlive a `with`.
    """

    def __init__(self, title, command, log_path, **arguments):
        """Start the command.

        :param str title: What is being done, as a person says it.
        :param pathlib.Path log_path: Where everything the command prints is appended.
        """
        say(f"{title} ...")
        self.title = title
        self.log_path = log_path
        self.started = time.time()
        self.child = Child(command, log_path, **arguments)

    def __enter__(self):
        """Do something else meanwhile, and then wait."""
        return self

    def __exit__(self, *_exception):
        """Stop it, if nobody waited."""
        self.child.stop()

    def wait(self):
        """Wait for the end, and return the exit code."""
        # If it ended while something else was done, nobody looked at the clock but its log.
        ended = None if self.child.alive() else self.log_path.stat().st_mtime
        while self.child.alive():
            try:
                self.child.process.wait(PROGRESS_INTERVAL)
            except subprocess.TimeoutExpired:
                say(f"  ... {time.time() - self.started:.0f} s")
        self.child.stop()
        code = self.child.process.returncode
        outcome = 'done' if code == 0 else 'failed'
        say(f"  {self.title}: {outcome} in {(ended or time.time()) - self.started:.1f} s")
        return code


def run_step(title, command, log_path, **arguments):
    """Run a long command and return its exit code; see `Step`."""
    with Step(title, command, log_path, **arguments) as step:
        return step.wait()


def parent_of(pid):
    """Return the parent of a process, or None when there is no such process (Linux only)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It can end meanwhile.
        status = dict(
            line.split(':', 1) for line in Path(f'/proc/{pid}/status').read_text().splitlines()
        )
        if int(status['Tgid']) == pid:  # Else it is a thread of another process.
            return int(status['PPid'])
    return None


def _die_with(parent, death_signal):
    """Have the kernel signal this process when `parent` is gone (runs between fork and exec)."""
    if not LIBC:
        return
    LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
