# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import os
import socket
import uuid
from unittest.mock import patch

from cryptography.fernet import Fernet

import odoo
from odoo import http
from odoo.tests import HttpCase, tagged
from odoo.tests.common import HOST, Opener
from odoo.tools import mute_logger

from ... import const, encryption
from ...protocol import signature
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..common import KEYS, VippsCommon

CONTROLLER_LOGGER = 'odoo.addons.mobilepay_vipps.controllers.main'


class WebhookCommon(VippsCommon, HttpCase):
    """ A provider with a webhook, and somebody who calls it. """

    def setUp(self):
        super().setUp()
        self.vipps.action_vipps_set_up_webhooks()
        self.secret = self.vipps._vipps_get_secret('vipps_webhook_secret')

    def _prepare_events(self, tx):
        """ Return the bodies that Vipps MobilePay sends for what happened to a payment. """
        events = self.simulator.payment(tx.vipps_payment_reference)['events']
        return [{'msn': NOK_UNIT.msn, **event} for event in events]

    def _sign(self, body, provider=None, secret=None):
        headers = signature.sign(
            secret or self.secret, (provider or self.vipps).vipps_webhook_url, body
        )
        del headers['Host']  # A proxy may have changed it.
        return {'Content-Type': 'application/json', **headers}

    def _post(self, body, headers=None, provider_id=None):
        """ Call the webhook and return the status. """
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        return self.opener.post(
            f'{self.base_url()}/payment/vipps/webhook/{provider_id or self.vipps.id}',
            data=body, headers=self._sign(body) if headers is None else headers, timeout=30,
        ).status_code

    def _get_inbox(self):
        self.env.invalidate_all()
        return self.env['vipps.webhook.event'].sudo().search([], order='id')

    def _drain(self):
        """ Run the job, and return how often payments were read. """
        self.env.flush_all()
        calls = len(self.simulator.exchanges)
        self.env['vipps.task']._cron_sync_payments()
        self.env.invalidate_all()
        return [
            exchange['operation'] for exchange in self.simulator.exchanges[calls:]
        ].count('get')

    def _count_triggers(self):
        cron = self.env.ref('mobilepay_vipps.cron_sync_payments')
        return self.env['ir.cron.trigger'].sudo().search_count([('cron_id', '=', cron.id)])


@tagged('post_install', '-at_install')
class TestWebhook(WebhookCommon):
    """ What is let in. """

    def setUp(self):
        super().setUp()
        self.tx = self._start()
        self.event, = self._prepare_events(self.tx)
        self.body = json.dumps(self.event).encode()

    def _assert_refused(self, status, body, headers=None, provider_id=None):
        self.assertEqual(self._post(body, headers, provider_id), status)
        self.assertFalse(self._get_inbox())

    #=== Stored ===#

    def test_event_is_stored_and_wakes_the_job(self):
        triggers = self._count_triggers()
        calls = len(self.simulator.exchanges)
        self.assertEqual(self._post(self.body), 200)
        event, = self._get_inbox()
        self.assertEqual(event.provider_id, self.vipps)
        self.assertEqual(event.reference, self.tx.vipps_payment_reference)
        self.assertEqual(event.name, 'CREATED')
        self.assertEqual((event.amount, event.currency), (24950, 'NOK'))
        self.assertEqual(event.psp_reference, self.event['pspReference'])
        self.assertEqual((event.state, event.success), ('pending', True))
        self.assertEqual(self._count_triggers(), triggers + 1)
        self.assertEqual(len(self.simulator.exchanges), calls, "The controller calls nobody.")

    def test_event_is_stored_without_personal_data_and_raw_body(self):
        body = {
            **self.event, 'sub': 'fake-sub', 'userDetails': {'firstName': "Kari"},
            'customer': {'phoneNumber': '4798765432'},
        }
        self.assertEqual(self._post(body), 200)
        self.env.cr.execute("SELECT vipps_webhook_event::text FROM vipps_webhook_event")
        row, = self.env.cr.fetchone()
        for text in ('98765432', 'Kari', 'fake-sub', '{'):
            self.assertNotIn(text, row)

    def test_event_that_comes_twice_is_stored_once(self):
        self.assertEqual(self._post(self.body), 200)
        triggers = self._count_triggers()
        self.assertEqual(self._post(self.body), 200)
        self.assertEqual(len(self._get_inbox()), 1)
        self.assertEqual(self._count_triggers(), triggers)

    def test_event_that_comes_again_after_it_was_processed_stays_processed(self):
        self._post(self.body)
        self._drain()
        self._post(self.body)
        self.assertEqual(self._get_inbox().state, 'processed')

    def test_signature_in_the_other_header_is_taken(self):
        headers = self._sign(self.body)
        headers['X-Vipps-Authorization'] = headers.pop('Authorization')
        self.assertEqual(self._post(self.body, headers), 200)
        self.assertEqual(len(self._get_inbox()), 1)

    def test_body_of_undeclared_length_is_taken(self):
        headers = self._sign(self.body)
        self.assertEqual(self._post(iter([self.body[:40], self.body[40:]]), headers), 200)
        self.assertEqual(len(self._get_inbox()), 1)

    def test_disabled_provider_still_listens(self):
        self.vipps.state = 'disabled'
        self.assertEqual(self._post(self.body), 200)
        self.assertEqual(len(self._get_inbox()), 1)

    def test_event_of_another_sales_unit_is_ignored(self):
        triggers = self._count_triggers()
        self.assertEqual(self._post({**self.event, 'msn': DKK_UNIT.msn}), 200)
        event, = self._get_inbox()
        self.assertEqual(event.state, 'ignored')
        self.assertEqual(self._count_triggers(), triggers)
        self.assertEqual(self._drain(), 0)

    def test_no_session_is_made(self):
        opener = Opener(self.cr)
        opener.cookies.update({
            name: value for name, value in self.opener.cookies.items() if name != 'session_id'
        })
        sessions = set(os.listdir(http.root.session_store.path))
        response = opener.post(
            f'{self.base_url()}/payment/vipps/webhook/{self.vipps.id}', data=self.body,
            headers=self._sign(self.body),
        )
        self.assertEqual(response.status_code, 200)
        self.assertNotIn('Set-Cookie', response.headers)
        self.assertEqual(set(os.listdir(http.root.session_store.path)), sessions)

    #=== Refused ===#

    def test_call_without_a_right_signature_is_refused(self):
        good = self._sign(self.body)
        for headers in (
            {},
            {**good, 'Authorization': 'Bearer rubbish'},
            {**good, 'Authorization': good['Authorization'][:-4] + 'AAA='},
            {**good, 'X-Ms-Date': 'Thu, 30 Mar 2023 08:38:32 GMT'},
            {name: value for name, value in good.items() if name != 'X-Ms-Date'},
            {name: value for name, value in good.items() if name != 'X-Ms-Content-Sha256'},
            {name: value for name, value in good.items() if name != 'Authorization'},
            self._sign(self.body, secret='fake-other-secret'),
            signature.sign(self.secret, self.vipps.vipps_webhook_url + '/other', self.body),
        ):
            headers.pop('Host', None)
            headers['Content-Type'] = 'application/json'
            with self.subTest(headers=headers):
                self._assert_refused(401, self.body, headers)

    def test_wrong_hash_of_the_body_is_refused(self):
        headers = self._sign(self.body)
        headers['X-Ms-Content-Sha256'] = self._sign(b'{}')['X-Ms-Content-Sha256']
        self._assert_refused(401, self.body, headers)

    def test_one_changed_byte_is_refused(self):
        headers = self._sign(self.body)
        for position in range(0, len(self.body), 25):
            changed = bytearray(self.body)
            changed[position] ^= 1
            with self.subTest(position=position):
                self._assert_refused(401, bytes(changed), headers)
        for changed in (self.body + b'\n', self.body[:-1], b''):
            self._assert_refused(401, changed, headers)

    def test_body_that_odoo_takes_for_a_form_is_refused(self):
        for content_type in ('application/x-www-form-urlencoded', 'multipart/form-data'):
            headers = {**self._sign(self.body), 'Content-Type': content_type}
            with self.subTest(content_type=content_type):
                self._assert_refused(401, self.body, headers)

    def test_unknown_provider_is_refused(self):
        for provider_id in (self.vipps.id + 1000, self.dummy_provider.id, 2 ** 31, 10 ** 30):
            with self.subTest(provider_id=provider_id):
                self._assert_refused(401, self.body, provider_id=provider_id)

    def test_provider_without_webhook_is_refused(self):
        for name in ('vipps_webhook_secret', 'vipps_webhook_url'):
            headers = self._sign(self.body)
            self.vipps[name] = False
            with self.subTest(name=name):
                self._assert_refused(401, self.body, headers)
            self.vipps.action_vipps_set_up_webhooks()

    def test_empty_secret_signs_nothing(self):
        headers = self._sign(self.body, secret=' ')
        self.vipps.sudo().vipps_webhook_secret = ' '
        self._assert_refused(401, self.body, headers)

    def test_secret_that_cannot_be_decrypted_is_refused(self):
        key = Fernet.generate_key().decode()
        with (
            patch.dict(os.environ, {encryption.KEY_VARIABLE: key}),
            self.assertNoLogs('odoo.addons.mobilepay_vipps'),  # Anybody could fill the log.
        ):
            self._assert_refused(401, self.body)

    def test_signature_of_another_provider_is_refused(self):
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        other.action_vipps_set_up_webhooks()
        secret = other._vipps_get_secret('vipps_webhook_secret')
        self._assert_refused(401, self.body, self._sign(self.body, provider=other, secret=secret))
        self._assert_refused(401, self.body, self._sign(self.body, secret=secret))
        self._assert_refused(401, self.body, self._sign(self.body), provider_id=other.id)

    def test_large_body_is_refused_although_its_signature_is_right(self):
        large = json.dumps({**self.event, 'x': 'x' * const.MAX_WEBHOOK_SIZE}).encode()
        headers = self._sign(large)
        self._assert_refused(413, large, headers)
        self._assert_refused(413, iter([large]), headers)  # of undeclared length

    def test_large_form_is_refused_before_it_is_parsed(self):
        for path, method, limit in (
            (f'/payment/vipps/webhook/{self.vipps.id}', 'POST', const.MAX_WEBHOOK_SIZE),
            ('/payment/vipps/redirect', 'POST', const.MAX_FORM_SIZE),
            ('/payment/vipps/return', 'GET', const.MAX_FORM_SIZE),
            ('/payment/vipps/health', 'GET', const.MAX_FORM_SIZE),
        ):
            for content_type in (
                'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
            ):
                with self.subTest(path=path, content_type=content_type):
                    self.assertEqual(self.opener.request(
                        method, self.base_url() + path, data=b'a=b&' * (limit // 4) + b'a',
                        headers={'Content-Type': content_type}, timeout=30, allow_redirects=False,
                    ).status_code, 413)
        self.assertFalse(self._get_inbox())

    def test_no_more_than_the_limit_is_read_of_a_form_of_undeclared_length(self):
        """ The end of the body never comes. """
        piece = 'a=b&' * (const.MAX_WEBHOOK_SIZE // 4) + 'a'
        for path in (f'/payment/vipps/webhook/{self.vipps.id}', '/payment/vipps/redirect'):
            address = (HOST, odoo.tools.config['http_port'])
            with self.subTest(path=path), socket.create_connection(address, 20) as connection:
                connection.sendall('\r\n'.join([
                    f'POST {path} HTTP/1.1', f'Host: {HOST}', 'Transfer-Encoding: chunked',
                    'Content-Type: application/x-www-form-urlencoded', '',
                    f'{len(piece):x}', piece, '',
                ]).encode())
                status = int(connection.makefile('rb').readline().split()[1])
                self.assertIn(status, (303, 401, 413))
        self.assertFalse(self._get_inbox())

    def test_largest_body_is_taken(self):
        body = self.body.ljust(const.MAX_WEBHOOK_SIZE)
        self.assertEqual(self._post(body), 200)
        self.assertEqual(len(self._get_inbox()), 1)

    def test_signed_body_that_is_no_event_is_answered_and_not_stored(self):
        for body in (
            b'', b'not JSON', b'\xff\xfe', b'{', b'null', b'[]', b'"text"', b'{}', b'[' * 60000,
            json.dumps({**self.event, 'amount': {'currency': 'NOK', 'value': 249.5}}).encode(),
            json.dumps({**self.event, 'reference': None}).encode(),
            json.dumps({**self.event, 'success': 'true'}).encode(),
        ):
            with self.subTest(body=body[:40]):
                with self.assertLogs(CONTROLLER_LOGGER, 'WARNING') as logs:
                    self._assert_refused(200, body)
                self.assertIn("is not an event of a payment", logs.output[0])
                self.assertNotIn(self.event['reference'], logs.output[0])

    def _vary(self, name, values):
        """ Yield the event with other values of a field, which may be one of the amount. """
        for value in values:
            if name in self.event['amount']:
                yield {**self.event, 'amount': {**self.event['amount'], name: value}}
            else:
                yield {**self.event, name: value}

    @mute_logger(CONTROLLER_LOGGER)
    def test_nothing_that_vipps_mobilepay_signs_is_refused(self):
        texts = [
            '', ' ', 'a\0b', '\0', 'a\x01\x1f\x7f', 'a\nb', '\ud800', '\udfff\ud800', '\u202e',
            "'; DROP TABLE x; --", '💸' * 255, 'x' * 10000,
            ''.join(map(chr, range(0x4e00, 0x6000))), None, 1, 1.5, True, [], {}, ['x'], {'x': 'x'},
        ]
        variations = {
            **dict.fromkeys(
                ('msn', 'reference', 'pspReference', 'name', 'idempotencyKey', 'currency'), texts
            ),
            'value': [
                2 ** 31 - 1, 2 ** 31, 2 ** 63, 10 ** 300, -1, 0, 1.5, float('inf'), float('nan'),
                '1', None, True, [], {},
            ],
            'timestamp': [
                '0001-01-01T00:00:00Z', '0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59.999Z',
                '9999-12-31T23:59:59-14:00', '2026-02-30T00:00:00Z', '2026-01-01', *texts,
            ],
            'success': [False, None, 0, 1, 'true', 'false', [], {}],
            'amount': [None, 1, [], {}, 'NOK 1'],
            'something': [*texts, {'new': [{}] * 100}],
        }
        for name, values in variations.items():
            for event in self._vary(name, values):
                if name != 'pspReference':
                    event['pspReference'] = uuid.uuid4().hex  # or it would be a duplicate
                with self.subTest(name=name, event=str(event).encode()[:400]):
                    self.assertEqual(self._post(event), 200)
        self.assertEqual(self._post(self.event), 200)
        self.assertTrue(self._get_inbox().read())
        self._drain()
        stored = self._get_inbox().filtered(
            lambda event: event.psp_reference == self.event['pspReference']
        )
        self.assertEqual(stored.state, 'processed')

    def test_name_and_fields_that_we_do_not_know_yet_are_taken(self):
        self._post({**self.event, 'name': 'PAUSED', 'reason': {'code': 1}})
        self.assertEqual(self._drain(), 1)
        event = self._get_inbox()
        self.assertEqual((event.name, event.state), ('PAUSED', 'processed'))
