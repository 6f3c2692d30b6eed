# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import io
import json
import os
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode

from PIL import Image

from odoo.tests import HttpCase
from odoo.tests.common import ChromeBrowser

from .pos_common import PosCommon

# The folder for the pictures that tours take for the documentation; they take none without it.
PICTURES = os.environ.get('VIPPS_SCREENSHOTS')
PICTURE_COLORS = 128


class PosTourCommon(PosCommon, HttpCase):
    """ A cashier in a browser, at a desk or with a phone. The bus is off in tests: tills poll. """
    browser_size = '1366,768'

    def _start_tour(self, name, size=None, **params):
        """ Run a tour in the till, and return the order that it ends with.

        :param str name: The name of the tour.
        :param str size: The width and the height of the screen, if it is not the usual one.
        :param dict params: What the tour reads from the address.
        :rtype: pos.order
        """
        params = urlencode({'simulator': self.simulator.url, **params})
        self._start_page(
            f'/pos/ui?config_id={self.config.id}#{params}', name, self.cashier, size
        )
        return self.env['pos.order'].search([('config_id', '=', self.config.id)], limit=1)

    def _get_payments(self):
        """ Return how much is left of each payment at Vipps MobilePay, and its state there. """
        sums = []
        for payment in self.simulator.payments:
            amounts = payment['aggregate']
            sums.append((
                payment['state'],
                amounts['capturedAmount']['value'] - amounts['refundedAmount']['value'],
            ))
        return sums

    def _get_orders(self, state):
        orders = self.config.current_session_id.order_ids
        return orders.filtered(lambda order: order.state == state).sorted('id')

    def _get_finished(self):
        """ Return the amounts paid with Vipps and in cash for each finished order. """
        return [
            tuple(
                sum(p.amount for p in order.payment_ids if p.payment_method_id == method)
                for method in (self.pos_method, self.cash_method)
            )
            for order in self._get_orders('paid')
        ]

    def _start_page(self, url, name, user, size=None):
        """ Run a tour on a page.

        :param str url: The page.
        :param str name: The name of the tour.
        :param res.users user: Who sits there.
        :param str size: The width and the height of the screen, if it is not the usual one.
        :return: None
        """
        width, height = map(int, (size or self.browser_size).split(','))
        navigate_to = ChromeBrowser.navigate_to
        self.session = None  # From here on it is the one of the browser, which has not logged in.

        def prepare_and_navigate_to(browser, *args, **kwargs):
            # The window may be wider than it was asked for.
            browser._websocket_request('Emulation.setDeviceMetricsOverride', params={
                'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False,
            })
            self._let_press_enter(browser)
            if PICTURES:
                self._let_take_pictures(browser)
            return navigate_to(browser, *args, **kwargs)

        with patch.object(ChromeBrowser, 'navigate_to', prepare_and_navigate_to):
            self.start_tour(url, name, login=user.login, timeout=150)
        self.env.invalidate_all()

    @staticmethod
    def _add_function(browser, name, handle):
        """ Give the pages of a browser a function, which has one text as its parameter. """
        others = browser._handlers.get('Runtime.bindingCalled', lambda **kwargs: None)
        browser._handlers['Runtime.bindingCalled'] = lambda **kwargs: (
            handle(kwargs['payload']) if kwargs['name'] == name else others(**kwargs)
        )
        browser._websocket_send('Runtime.addBinding', params={'name': name})

    def _let_press_enter(self, browser):
        """ Give a browser a function that presses the key Enter: events that a tour makes do not
        send forms. """

        def press(_payload):
            for kind in ('keyDown', 'keyUp'):
                browser._websocket_send('Input.dispatchKeyEvent', params={
                    'type': kind, 'key': 'Enter', 'windowsVirtualKeyCode': 13, 'text': '\r',
                })

        self._add_function(browser, 'pressVippsEnter', press)

    def _let_take_pictures(self, browser):
        """ Give a browser a function that takes a picture, which tours call where it is there. """

        def take(payload):
            picture = json.loads(payload)

            def save(answer):
                content = base64.b64decode(answer.result()['data'])
                image = Image.open(io.BytesIO(content)).convert('RGB').quantize(PICTURE_COLORS)
                image.save(Path(PICTURES, f"{picture['name']}.png"), optimize=True)
                browser._websocket_send(
                    'Runtime.evaluate', params={'expression': 'window.onVippsPicture()'}
                )

            browser._websocket_send(
                'Page.captureScreenshot', params={'clip': picture['clip']}, with_future=True
            ).add_done_callback(save)

        self._add_function(browser, 'takeVippsPicture', take)
