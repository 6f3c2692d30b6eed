# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from ... import const
from ...protocol import signature
from ..sticker_common import StickerCommon

CONTROLLER_LOGGER = 'odoo.addons.mobilepay_vipps.controllers.main'


@tagged('post_install', '-at_install')
class TestPosStickerWebhook(StickerCommon, HttpCase):
    """ Check-ins that come by the webhook. """

    def setUp(self):
        super().setUp()
        self.vipps.action_vipps_set_up_webhooks()
        self.event = {
            'customerToken': 'c2VjcmV0LXRva2Vu', 'msn': '123456',
            'merchantQrId': self.config.vipps_sticker_number,
            'initiatedAt': self._format_now(),
        }

    def _format_now(self):
        now = self.env.cr.now().replace(microsecond=0)
        return f'{now.isoformat()}.1234567Z'

    def _post(self, event, secret_name='vipps_check_in_secret', url=None, secret=None):
        """ Call the webhook, and return the status. """
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = signature.sign(
            secret or self.vipps._vipps_get_secret(secret_name),
            url or self.vipps.vipps_check_in_webhook_url, body,
        )
        del headers['Host']
        status = self.opener.post(
            f'{self.base_url()}/payment/vipps/webhook/{self.vipps.id}{const.CHECK_IN_QUERY}',
            data=body, headers={'Content-Type': 'application/json', **headers}, timeout=30,
        ).status_code
        self.env.invalidate_all()
        return status

    def test_a_signed_check_in_is_taken(self):
        for event in (self.event, {
            'merchantSerialNumber' if name == 'msn' else name: value
            for name, value in {**self.event, 'customerToken': 'YW5vdGhlcg=='}.items()
        }):
            self.assertEqual(self._post(event), 200)
        self.assertEqual(self._get_check_ins().mapped('state'), ['processed'] * 2)
        self.assertEqual(self._get_check_ins().mapped('msn'), ['123456'] * 2)
        self.assertEqual(len(self._call('vipps_list_check_ins')), 2)

    def test_a_check_in_that_comes_twice_is_stored_once(self):
        for _number in range(2):
            self.assertEqual(self._post(self.event), 200)
        self.assertEqual(len(self._get_check_ins()), 1)

    def test_forged_check_ins_are_refused(self):
        body = json.dumps(self.event).encode()
        for values in (
            {'secret': 'x' * 88},
            {'url': self.vipps.vipps_webhook_url},
            {'secret_name': 'vipps_webhook_secret'},
        ):
            with self.subTest(**values):
                self.assertEqual(self._post(body, **values), 401)
        self.assertFalse(self._get_check_ins())

    @mute_logger(CONTROLLER_LOGGER)
    def test_what_is_no_check_in_is_left(self):
        for changes in (
            {'customerToken': ''}, {'customerToken': 1}, {'customerToken': 'x' * 5000},
            {'merchantQrId': None}, {'merchantQrId': 'x' * 300}, {'initiatedAt': 'today'},
            {'msn': 123456},
        ):
            with self.subTest(**changes):
                self.assertEqual(self._post({**self.event, **changes}), 200)
        self.assertFalse(self._get_check_ins())

    def test_check_ins_that_nobody_waits_for_are_answered_all_the_same(self):
        for changes in (
            {'merchantQrId': 'unknown'}, {'msn': '234567'},
            {'initiatedAt': '2020-01-01T00:00:00.0000000Z'},
        ):
            with self.subTest(**changes):
                token = {'customerToken': self._make_key()}
                self.assertEqual(self._post({**self.event, **token, **changes}), 200)
        self.assertEqual(set(self._get_check_ins().mapped('state')), {'ignored'})

    @mute_logger('odoo.addons.mobilepay_vipps.models.jobs.rate_limit')
    def test_too_many_come_later(self):
        self.patch(const, 'MAX_EVENTS_PER_HOUR', 1)
        self.assertEqual(self._post(self.event), 200)
        self.assertEqual(self._post({**self.event, 'customerToken': 'another'}), 429)
        self.assertEqual(self._post(self.event), 200)
