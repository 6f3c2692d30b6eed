import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from tools.processes import Child, Step, parent_of

# Starts a second process that ignores every polite request, says which, and waits.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', '''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
'''])
print(child.pid, flush=True)
time.sleep(600)
"""


class TestParentOf(unittest.TestCase):

    def test_only_processes_have_a_parent(self):
        self.assertEqual(parent_of(os.getpid()), os.getppid())
        end = threading.Event()
        thread = threading.Thread(target=end.wait)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(end.set)
        self.assertIsNone(parent_of(thread.native_id))


class TestChild(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / 'log'

    def start(self):
        """Return a child, and the id of the process that it has started itself."""
        child = Child([sys.executable, '-c', PARENT], self.log)
        self.addCleanup(child.stop)
        self.assertTrue(self.wait_until(lambda: self.log.read_text().strip()))
        return child, int(self.log.read_text())

    def wait_until(self, condition):
        deadline = time.monotonic() + 10
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        return condition()

    def is_gone(self, pid):
        try:
            # What nobody has waited for yet is dead all the same.
            return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
        except FileNotFoundError:
            return True

    def test_killing_and_stopping_end_its_children_too(self):
        for end, code in (('kill', -signal.SIGKILL), ('stop', -signal.SIGTERM)):
            with self.subTest(end):
                self.log.unlink(missing_ok=True)
                child, grandchild = self.start()
                getattr(child, end)()
                self.assertEqual(child.process.returncode, code)
                self.assertTrue(self.wait_until(lambda: self.is_gone(grandchild)))  # noqa: B023

    def test_a_step_that_ended_before_anybody_waited_took_as_long_as_its_log(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            with Step("Testing", [sys.executable, '-c', 'print(1)'], self.log) as step:
                self.assertTrue(self.wait_until(lambda: not step.child.alive()))
                os.utime(self.log, (step.started + 5000, step.started + 5000))
                self.assertEqual(step.wait(), 0)
        self.assertIn("Testing: done in 5000.0 s", said.getvalue())
