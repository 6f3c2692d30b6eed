# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from odoo.tests import tagged

from .common import TransactionCommon
from .jobs.test_webhook import WebhookCommon

ADDON = Path(__file__).parents[1]
FACES_AND_RECORDS = ('controllers', 'models', 'wizards')
DOOR = 'models/api'


class Trace:
    """ The own functions that are called before core completes a payment. """

    def __init__(self):
        self.methods = set()
        self.is_done = False
        self.inside_door = threading.local()

    @contextmanager
    def recording(self):
        """ Record this thread, and those that are started meanwhile. """
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _profile(self, frame, event, _argument):
        code = frame.f_code
        if event not in ('call', 'return') or self.is_done:
            return
        if code.co_name == '_set_done':
            self.is_done = True
            return
        path = Path(code.co_filename)
        if not path.is_relative_to(ADDON) or code.co_name.startswith('<'):
            return
        path = path.relative_to(ADDON).as_posix()
        if not path.startswith(FACES_AND_RECORDS):
            return
        depth = getattr(self.inside_door, 'depth', 0)
        if event == 'call' and not depth:
            self.methods.add((path, code.co_name, code.co_firstlineno))
        if path.startswith(DOOR):
            self.inside_door.depth = depth + (1 if event == 'call' else -1)


@tagged('-standard', 'post_install', '-at_install', 'vipps_house')
class TestHouse(WebhookCommon, TransactionCommon):
    """ Figures of the structure that only a payment shows, for `./dev house`. """

    def test_figures(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order()
        tx = self._start_order(order)
        self._approve(tx)
        trace = Trace()
        with trace.recording():
            for body in self._prepare_events(tx):
                self.assertEqual(self._post(body), 200)
            self._drain()
            self._follow_up()
        self.assertTrue(trace.is_done)

        self.vipps.vipps_capture_mode = 'manual'
        manual_tx = self._authorize(sale_order_ids=[(6, 0, self._create_order().ids)])
        before = len(self.simulator.exchanges)
        self._capture(manual_tx)
        operations = [exchange['operation'] for exchange in self.simulator.exchanges[before:]]

        self.env.cr.execute("""
            SELECT count(*) FROM pg_indexes
             WHERE tablename = 'payment_transaction' AND indexdef LIKE '%vipps%'
        """)
        Path(os.environ['VIPPS_HOUSE_FIGURES']).write_text(json.dumps({
            "own methods from the webhook to _set_done": len(trace.methods),
            "their files": len({path for path, _name, _line in trace.methods}),
            "GETs before the POST of a capture from the form":
                operations[:operations.index('capture')].count('get'),
            "own fields on payment.transaction": sum(
                name.startswith('vipps_') for name in tx._fields
            ),
            "own indexes on payment.transaction": self.env.cr.fetchone()[0],
        }))
