# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from ... import const
from ...protocol import client
from ...protocol.tests.server import Server
from ...simulator.sales_units import NOK_UNIT
from ...simulator.server import Simulator
from ..common import TransactionCommon

KEYS = {
    'vipps_merchant_serial_number': NOK_UNIT.msn,
    'vipps_client_id': NOK_UNIT.client_id,
    'vipps_client_secret': NOK_UNIT.client_secret,
    'vipps_subscription_key': NOK_UNIT.subscription_key,
}

# Nobody listens there.
CLOSED_URL = 'http://127.0.0.1:9'


class SetupGuideCommon(TransactionCommon):
    """ An administrator, who is not the superuser, on the way to a first paid order. """

    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vipps.write({
            'state': 'disabled', 'is_published': False, **dict.fromkeys(KEYS, False),
        })
        cls.administrator = cls._new_user(
            'vipps_administrator',
            'base.group_user,base.group_system,account.group_account_invoice,'
            'point_of_sale.group_pos_manager',
        )
        cls.till = cls.env['pos.config'].create({
            'name': "Shop", 'company_id': cls.company.id,
        })
        # Its prices are in the currency of the company, which the fixture changed afterwards.
        cls.till.pricelist_id = False

    #=== What the administrator does ===#

    def _open(self, provider=None, user=None):
        provider = (self.vipps if provider is None else provider).with_user(
            user or self.administrator
        )
        return self._get_shown(provider.action_vipps_open_guide(), user)

    def _get_shown(self, action, user=None):
        """ Return the guide that an action shows. """
        self.env.invalidate_all()
        self.assertEqual((action['res_model'], action['target']), ('vipps.setup.guide', 'new'))
        return self.env['vipps.setup.guide'].with_user(
            user or self.administrator
        ).browse(action['res_id'])

    def _go(self, guide, step, **values):
        """ Press Next until a screen is shown, entering values on the screen they belong to. """
        while guide.step != step:
            before = guide.step
            guide.write({name: values.pop(name) for name in list(values) if (
                name in KEYS and guide.step == 'keys'
                or name == {'market': 'market', 'capture': 'capture_mode',
                            'tills': 'config_ids'}.get(guide.step)
            )})
            guide = self._get_shown(guide.action_next())
            self.assertNotEqual(guide.step, before, guide.webhook_problem)
        return guide

    def _go_to_payment(self, **values):
        return self._go(self._open(), 'payment', **{**KEYS, 'market': 'NO', **values})

    def _start_test_payment(self):
        return self._get_shown(self._go_to_payment().action_start_payment())

    def _follow(self, guide):
        """ Return the status that the screen shows at its next look. """
        self.env.flush_all()
        self.env.cr.execute("UPDATE payment_transaction SET vipps_last_read = NULL")
        self.env.invalidate_all()
        return guide.get_payment_status()

    def _assert_refused(self, sentence, guide, **values):
        with self.assertRaisesRegex(UserError, sentence), self.env.cr.savepoint():
            guide.write(values)
            guide.action_next()
        self.env.invalidate_all()

    def _serve_production(self):
        """ Let a simulator of its own stand in for production, beside the one for test. """
        self.startPatcher(patch.object(
            type(self.env['vipps.api.client']), '_get_simulator_url', lambda self: None
        ))
        production = Simulator(allow_loopback_http=True)
        production.start()
        self.addCleanup(production.close)
        # Another simulator can have had its port, and given out tokens.
        self.startPatcher(patch.dict(client._tokens._entries, clear=True))
        self.startPatcher(patch.dict(
            const.API_URLS, test=self.simulator.url, production=production.url
        ))
        return production


@tagged('post_install', '-at_install')
class TestSetupGuide(SetupGuideCommon):
    """ The way through the guide, and its screens beside the keys and the test payment. """

    #=== The way ===#

    def test_way_from_the_keys_to_a_paid_order_has_at_most_eight_screens(self):
        guide = self._open()
        steps = ['keys']
        guide.write(KEYS)
        while guide.step != 'payment':
            guide = self._get_shown(guide.action_next())
            steps.append(guide.step)
        guide = self._get_shown(guide.action_start_payment())
        tx = guide.sudo().transaction_id
        self.assertEqual(self._get_payment(tx)['amount'], {'value': 200, 'currency': 'NOK'})
        self.assertFalse(self._follow(guide)['is_final'])
        self._approve(tx)
        status = self._follow(guide)
        self.assertTrue(status['is_final'])
        self.assertTrue(all(step['done'] for step in status['steps']))
        order = tx.sale_order_ids
        self.assertEqual(status['steps'][-1]['text'], f"Order {order.name} is paid.")
        self.assertEqual((order.state, order.amount_paid, order.amount_total), ('sale', 2, 2))
        self.assertEqual(order.partner_id, self.administrator.partner_id)
        self.assertEqual(tx.payment_id.state, 'posted')
        self.assertEqual(self._get_aggregate(tx)['captured'], 200)
        guide = self._get_shown(guide.action_next())
        self.assertEqual(guide.step, 'done')
        self.assertEqual(
            steps,
            ['keys', 'market', 'capture', 'tills', 'webhooks', 'ways', 'settlement', 'payment'],
        )
        self.assertEqual(self._open().step, 'keys')

    def test_other_ways_to_pay_are_switched_on(self):
        guide = self._go(self._open(), 'ways', **KEYS)
        self.assertFalse(self.vipps.allow_express_checkout or self.vipps.vipps_code_on_invoices)
        guide.write({'has_express': True, 'has_code_on_invoices': True})
        guide = self._get_shown(guide.action_next())
        self.assertEqual(guide.step, 'settlement')
        self.assertTrue(self.vipps.allow_express_checkout)
        self.assertTrue(self.vipps.vipps_code_on_invoices)

    def test_each_screen_says_how_far_one_is(self):
        guide = self._open()
        self.assertEqual(guide.progress, "Step 1 of 9: Keys")
        self.env['pos.config'].search([]).active = False
        self.assertEqual(self._go(guide, 'webhooks', **KEYS).progress, "Step 4 of 8: Events")

    def test_guide_is_resumed_where_it_was_left_with_what_was_entered(self):
        self._go(self._open(), 'tills', **KEYS, market='DK', capture_mode='on_delivery')
        guide = self._open()
        self.assertEqual((guide.step, guide.market, guide.capture_mode),
                         ('tills', 'DK', 'on_delivery'))
        self.assertEqual(self.vipps.vipps_capture_mode, 'on_delivery')
        guide = self._get_shown(guide.action_back())
        self.assertEqual(guide.step, 'capture')
        self.assertEqual(self._open().step, 'capture')

    def test_guide_left_half_way_leaves_nothing_broken(self):
        guide = self._start_test_payment()
        tx = guide.sudo().transaction_id
        self.assertTrue(self.vipps.vipps_webhook_secret)
        self.simulator.expire(tx.vipps_payment_reference)
        self._run_job()
        self.assertEqual((tx.state, tx.sale_order_ids.state), ('cancel', 'cancel'))
        self.vipps.action_vipps_test_connection()

    def test_needed_screens_cannot_be_skipped(self):
        guide = self._open()
        with self.assertRaisesRegex(UserError, "needed"):
            guide.action_skip()

    #=== Market, capture, tills ===#

    def test_market_decides_on_currency_and_brand(self):
        euro = self.env.ref('base.EUR')
        euro.active = False
        self._go(self._open(), 'capture', **KEYS, market='FI')
        self.assertTrue(euro.active)
        self.assertEqual(self.vipps.available_currency_ids, euro)
        self.assertEqual(self.vipps.payment_method_ids, self.method_mobile_pay)
        guide = self._go(self._get_shown(self._open().action_back()), 'capture', market='NO')
        self.assertEqual(self.vipps.available_currency_ids, self.currency_nok)
        self.assertEqual(self.vipps.payment_method_ids, self.method_vipps)
        self.assertFalse(guide.currency_advice)

    def test_books_in_another_currency_are_pointed_out(self):
        guide = self._go(self._open(), 'market', **KEYS)
        guide.market = 'DK'
        self.assertIn("price list is in DKK", guide.currency_advice)

    def test_chosen_tills_get_a_payment_method_once(self):
        for _i in range(2):
            self._go(self._get_shown(self._open().action_back()) if _i else self._open(),
                     'webhooks', **KEYS, config_ids=[Command.set(self.till.ids)])
        method = self.till.payment_method_ids.filtered('vipps_provider_id')
        self.assertEqual((method.name, method.vipps_provider_id), ("Vipps", self.vipps))
        self.assertEqual(method.journal_id, self.vipps.journal_id)
        self.assertEqual(self._open().config_ids, self.till)
        guide = self._get_shown(self._open().action_back())
        self._go(guide, 'webhooks', config_ids=[Command.clear()])
        self.assertNotIn(method, self.till.payment_method_ids)

    def test_till_with_an_open_session_is_named(self):
        self.till.payment_method_ids = self.env['pos.payment.method'].create({
            'name': "Card", 'journal_id': self.vipps.journal_id.id, 'company_id': self.company.id,
        })
        self.till.open_ui()
        guide = self._go(self._open(), 'tills', **KEYS)
        self.assertEqual(guide.open_tills, "Shop")
        self._assert_refused(
            "open session.*: Shop", guide, config_ids=[Command.set(self.till.ids)]
        )
        self._go(guide, 'webhooks')

    def test_till_in_another_currency_is_named(self):
        guide = self._go(self._open(), 'tills', **KEYS, market='DK')
        self._assert_refused(
            "do not take DKK.*: Shop", guide, config_ids=[Command.set(self.till.ids)]
        )

    #=== Webhooks ===#

    def test_webhook_is_registered_once(self):
        guide = self._go_to_payment()
        guide = self._go(self._get_shown(guide.action_back()), 'payment')
        self.assertEqual(len(self._get_calls('register_webhook')), 1)
        self.assertTrue(self.vipps.vipps_webhook_secret)

    def test_guide_goes_on_without_a_webhook_that_cannot_be_reached(self):
        for url in ('http://shop.example.com', 'https://odoo.local', 'http://192.168.1.2'):
            self.env['ir.config_parameter'].set_param('web.base.url', url)
            guide = self._go(self._open(), 'webhooks', **KEYS)
            guide = self._get_shown(guide.action_next())
            self.assertEqual(guide.step, 'webhooks')
            self.assertIn("cannot reach", guide.webhook_problem)
        guide = self._get_shown(guide.action_skip())
        self.assertEqual(guide.step, 'ways')
        self.assertFalse(self.vipps.vipps_webhook_id or self.vipps.vipps_webhook_secret)

    def test_an_address_at_which_something_else_answers_is_named(self):
        server = Server()
        self.addCleanup(server.close)
        server.answers = [(404, {}, b'')]
        guide = self._go(self._open(), 'webhooks', **KEYS)
        self.env['ir.config_parameter'].set_param('web.base.url', server.url)
        guide = self._get_shown(guide.action_next())
        self.assertEqual(guide.step, 'webhooks')
        self.assertIn("status 404", guide.webhook_problem)

    def test_the_address_of_the_website_is_kept_when_that_is_asked_for(self):
        guide = self._go(self._open(), 'webhooks', **KEYS)
        self.assertFalse(guide.is_address_frozen)
        guide = self._get_shown(guide.action_freeze_address())
        self.assertTrue(guide.is_address_frozen)
        self.env['res.users'].sudo().authenticate(
            self.env.cr.dbname, 'vipps_administrator', 'vipps_administrator',
            {'base_location': 'http://erp.example.net', 'interactive': False},
        )
        self.assertEqual(
            self.env['ir.config_parameter'].sudo().get_param('web.base.url'), 'http://127.0.0.1'
        )

    def test_webhook_that_is_refused_leaves_no_trace(self):
        guide = self._go(self._open(), 'webhooks', **KEYS)
        self.simulator.fault(operation='webhooks', kind='status', status=400, times=None)
        guide = self._get_shown(guide.action_next())
        self.assertTrue(guide.webhook_problem)
        self.assertFalse(self.vipps.vipps_webhook_id or self.vipps.vipps_webhook_secret)

    #=== Rights and companies ===#

    def test_only_administrators_use_the_guide(self):
        guide = self._go_to_payment()
        for groups in (
            'base.group_portal', 'base.group_user', 'account.group_account_invoice',
            'mobilepay_vipps.group_payment_manager', 'point_of_sale.group_pos_manager',
        ):
            user = new_test_user(self.env, f'guide_{groups}', groups)
            for name in (
                'action_next', 'action_back', 'action_skip', 'action_publish',
                'action_start_payment', 'action_refund_payment', 'get_payment_status',
                'action_open_checklist', 'action_open_health', 'action_open_tills',
            ):
                for record in (guide, guide.browse()):
                    with self.subTest(groups=groups, name=name), self.assertRaises(AccessError):
                        getattr(record.with_user(user), name)()
            with self.assertRaises(AccessError):
                self.vipps.with_user(user).action_vipps_open_guide()

    def test_administrator_of_another_company_does_not_reach_the_provider(self):
        guide = self._go_to_payment()
        company = self.company_data_2['company']
        stranger = self._new_user(
            'vipps_stranger',
            'base.group_user,base.group_system,account.group_account_invoice',
            company,
        )
        with self.assertRaises(AccessError):
            guide.with_user(stranger).action_next()
        with self.assertRaises(AccessError):
            self.vipps.with_user(stranger).action_vipps_open_guide()
        with self.assertRaises(AccessError):
            self.env['vipps.setup.guide'].with_user(stranger).create({
                'provider_id': self.vipps.id, 'step': 'keys', 'market': 'NO',
                'capture_mode': 'manual',
            })

    def test_keys_that_customers_pay_with_are_not_replaced_by_untried_ones(self):
        guide = self._go(self._open(), 'market', **KEYS)
        self.vipps.state = 'enabled'
        ciphertext = self.vipps.vipps_client_secret_ciphertext
        with self.assertRaisesRegex(UserError, "Replace Keys"):
            guide.write({'vipps_client_secret': 'mistyped'})
        guide.write({'vipps_client_secret': guide.vipps_client_secret})
        self.assertEqual(self.vipps.vipps_client_secret_ciphertext, ciphertext)

    def test_company_without_a_provider_gets_one_without_the_keys_of_another(self):
        secondary_key = {'vipps_secondary_subscription_key': NOK_UNIT.subscription_key}
        self.env.ref('mobilepay_vipps.payment_provider_vipps').sudo().write(
            {**KEYS, **secondary_key}
        )
        company = self.company_data_2['company']
        stranger = self._new_user(
            'vipps_stranger',
            'base.group_user,base.group_system,account.group_account_invoice',
            company,
        )
        for _i in range(2):
            guide = self._open(self.vipps.browse(), stranger)
        provider = guide.provider_id
        self.assertEqual((provider.company_id, provider.code, provider.state),
                         (company, 'vipps', 'disabled'))
        self.assertFalse(any(provider[name] for name in {**KEYS, **secondary_key}))
        self.assertEqual(self.env['payment.provider'].search_count(
            [('code', '=', 'vipps'), ('company_id', '=', company.id)]
        ), 1)
        self.assertEqual(guide.step, 'keys')

    def test_nothing_is_published_without_a_press_and_a_second_company_gets_its_test_payment(self):
        self.vipps.sudo().is_published = True
        self.env.ref('mobilepay_vipps.payment_provider_vipps').sudo().is_published = True
        company = self.company_data_2['company']
        company.currency_id = self.currency_nok
        administrator = new_test_user(
            self.env, 'vipps_both', 'base.group_user,base.group_system,'
            'account.group_account_invoice', company_id=self.company.id,
            company_ids=[Command.set((company | self.company).ids)],
        )
        administrator.partner_id.company_id = self.company  # As that of Odoo's first administrator.
        self.administrator = administrator
        guide = self._open(self.vipps.browse().with_context(
            allowed_company_ids=(company | self.company).ids
        ))
        self.assertEqual(guide.company_id, company)
        guide = self._go(guide, 'payment', **KEYS)
        provider = guide.provider_id
        self.assertEqual((provider.state, provider.is_published), ('test', False))
        provider.sudo().journal_id = self.company_data_2['default_journal_bank']
        guide = self._get_shown(guide.action_start_payment())
        self.assertFalse(guide.payment_problem)
        self.assertEqual(guide.payment_state, 'open')
        order = guide.sudo().transaction_id.sale_order_ids
        self.assertEqual((order.company_id, order.partner_id.company_id.ids), (company, []))

    def test_a_provider_that_was_off_is_not_offered_before_it_is_published(self):
        self.vipps.sudo().write({'state': 'disabled', 'is_published': True})
        self._go(self._open(), 'market', **KEYS)
        self.assertEqual((self.vipps.state, self.vipps.is_published), ('test', False))

    def test_messages_of_a_duplicate_speak_the_languages_that_come_later(self):
        original = self.env.ref('mobilepay_vipps.payment_provider_vipps').sudo()
        duplicate, changed = original.copy(), original.copy()
        changed.auth_msg = "<p>Our own words.</p>"
        self.env.flush_all()
        self.env['res.lang']._activate_lang('da_DK')
        self.env['ir.module.module'].search([
            ('name', '=', 'mobilepay_vipps')
        ])._update_translations('da_DK')
        self.env.invalidate_all()
        danish = original.with_context(lang='da_DK').auth_msg
        self.assertNotEqual(danish, original.auth_msg)
        self.assertEqual(duplicate.with_context(lang='da_DK').auth_msg, danish)
        self.assertEqual(changed.with_context(lang='da_DK').auth_msg, "<p>Our own words.</p>")
