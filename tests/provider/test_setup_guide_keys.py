# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const
from ...models.provider.payment_provider import SECRET_MASK
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from .test_setup_guide import CLOSED_URL, KEYS, SetupGuideCommon


@tagged('post_install', '-at_install')
class TestSetupGuideKeys(SetupGuideCommon):
    """ The screen of the keys. """

    def test_test_keys_are_recognized_and_switch_on_test_mode(self):
        guide = self._go(self._open(), 'market', **KEYS)
        self.assertEqual(guide.verdict, "These are test keys of sales unit 123456: no money is"
                                        " moved.")
        self.assertEqual((self.vipps.state, self.vipps.is_published), ('test', False))

    def test_production_keys_are_recognized_and_enable_the_provider_unpublished(self):
        production = self._serve_production()
        self.simulator.set_unit(NOK_UNIT.msn, client_secret='fake-other')
        self.addCleanup(
            self.simulator.set_unit, NOK_UNIT.msn, client_secret=NOK_UNIT.client_secret
        )
        guide = self._go(self._open(), 'market', **KEYS)
        self.assertIn("production keys of sales unit 123456", guide.verdict)
        self.assertEqual((self.vipps.state, self.vipps.is_published), ('enabled', False))
        self.assertEqual(
            [exchange['operation'] for exchange in production.exchanges],
            ['token', 'token', 'list_webhooks'],
        )

    def test_keys_are_sent_nowhere_else_while_a_simulator_stands_in(self):
        with patch.dict(const.API_URLS, production=CLOSED_URL):
            self._assert_refused(
                "client secret is wrong", self._open(),
                **{**KEYS, 'vipps_client_secret': 'fake-wrong'},
            )
        self.assertEqual(len(self._get_calls('token')), 1)

    def test_spaces_that_were_copied_along_do_not_matter(self):
        self._go(self._open(), 'market', **{name: f' {key}\n' for name, key in KEYS.items()})

    def test_each_wrong_key_is_named(self):
        guide = self._open()
        for values, sentence in (
            ({'vipps_client_secret': False}, "Enter all four"),
            ({'vipps_client_id': DKK_UNIT.client_id}, "client ID or the client secret is wrong"),
            ({'vipps_subscription_key': 'fake-wrong'}, "The subscription key is wrong"),
            ({'vipps_subscription_key': DKK_UNIT.subscription_key}, "subscription key"),
            ({'vipps_merchant_serial_number': DKK_UNIT.msn}, "merchant serial number 234567"),
            ({'vipps_merchant_serial_number': 'MSN'}, "4 to 10 digits"),
        ):
            with self.subTest(**values):
                self._assert_refused(sentence, guide, **{**KEYS, **values})
        self.assertEqual(self.vipps.state, 'disabled')

    def test_vipps_that_does_not_answer_is_not_taken_for_wrong_keys(self):
        self.env['ir.config_parameter'].set_param(const.TEST_API_URL_PARAMETER, CLOSED_URL)
        self._assert_refused("does not answer", self._open(), **KEYS)

    def test_keys_that_cannot_be_decrypted_anymore_are_asked_for_again(self):
        guide = self._go(self._open(), 'market', **KEYS)
        guide.action_back()
        self.env.flush_all()
        self.env.cr.execute("UPDATE payment_provider SET vipps_client_secret_ciphertext = 'x'")
        self.env.invalidate_all()
        with mute_logger('odoo.addons.mobilepay_vipps.models.provider.payment_provider'):
            self._assert_refused("enter the keys again", guide)
        self._go(guide, 'market', **KEYS)

    def test_keys_are_neither_stored_in_the_guide_nor_read_back(self):
        guide = self._open()
        guide.write(KEYS)
        self.assertEqual(guide.vipps_client_secret, SECRET_MASK)
        self.assertNotIn(NOK_UNIT.client_secret, json.dumps(guide.read(), default=str))
        self.env.flush_all()
        self.env.cr.execute("SELECT * FROM vipps_setup_guide")
        self.assertNotIn(NOK_UNIT.client_secret, str(self.env.cr.fetchall()))

    def test_sales_unit_is_not_changed_while_payments_are_open(self):
        self._start_test_payment()
        guide = self._open()
        while guide.step != 'keys':
            guide = self._get_shown(guide.action_back())
        self._assert_refused(
            "are open or reserved", guide, vipps_merchant_serial_number=DKK_UNIT.msn,
        )
        self.assertEqual(self.vipps.vipps_merchant_serial_number, NOK_UNIT.msn)
