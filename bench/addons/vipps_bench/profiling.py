# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import cProfile
import json
import os
import sys
import threading
import time
from pathlib import Path

from odoo.http import Application

VARIABLE = 'VIPPS_BENCH_PROFILE'  # the folder that profiles are written to
SWITCH = 'on'  # the file in it with which requests are profiled


def install():
    """ Profile requests while the folder that the environment names has the switch. """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    call = Application.__call__

    def profiled_call(self, environ, start_response):
        if not os.path.exists(os.path.join(folder, SWITCH)):
            return call(self, environ, start_response)
        return _profile(Path(folder), environ, lambda: call(self, environ, start_response))

    Application.__call__ = profiled_call


def _profile(folder, environ, do):
    """ Write the SQL queries of a request, each with the places that it comes from, and its Python
    profile. """
    queries, thread = [], threading.current_thread()

    def note(_cursor, query, _params, _start, seconds):
        queries.append({
            'query': query if isinstance(query, str) else str(query), 'seconds': seconds,
            'places': list(_walk(sys._getframe(2))),
        })

    profile, started = cProfile.Profile(), time.time()
    thread.query_hooks = (note,)
    try:
        return profile.runcall(do)
    finally:
        del thread.query_hooks
        path = folder / f'{started:.6f}'
        profile.dump_stats(path.with_suffix(path.suffix + '.prof'))
        (folder / f'{path.name}.json').write_text(json.dumps({
            'line': f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", 'queries': queries,
        }))


def _walk(frame):
    """ Yield the places of a stack, the innermost one first. """
    while frame:
        code = frame.f_code
        yield code.co_filename, frame.f_lineno, code.co_name
        frame = frame.f_back
