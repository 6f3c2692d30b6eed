# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..common import KEYS
from ..sticker_common import StickerCommon


@tagged('post_install', '-at_install', 'vipps_alone')
class TestPosSticker(StickerCommon):
    """ The sticker of a till: made, renamed, taken over, removed. """

    def _get_stickers(self):
        return {sticker.qr_id: sticker.location for sticker in self.simulator.stickers}

    def _get_webhooks(self):
        return [
            events for registration in self.simulator._world.registrations.values()
            for events in [registration.events] if 'user.checked-in.v1' in events
        ]

    def _take_over(self, number, config=None):
        config = (config or self.config).with_user(self.pos_manager)
        config.vipps_old_sticker_number = number
        return config.action_vipps_take_over_sticker()

    def _remove(self, config=None):
        (config or self.config).with_user(self.pos_manager).action_vipps_remove_sticker()

    def test_a_sticker_is_made_once_and_keeps_its_number(self):
        number = self.config.vipps_sticker_number
        self.assertEqual(self._get_stickers(), {number: "Shop"})
        self.assertEqual(self.config.vipps_sticker_method_ids, self.pos_method)
        self.config.name = "Shop by the Fjord with a very long name indeed"
        self._make_sticker()
        self.assertEqual(self.config.vipps_sticker_number, number)
        self.assertEqual(self._get_stickers(), {number: "Shop by the Fjord with a very long n"})
        self.assertEqual(self._get_webhooks(), [('user.checked-in.v1',)])

    def test_each_till_has_its_own(self):
        other = self._create_config(
            "Other Shop", payment_method_ids=[Command.set(self.pos_method.ids)]
        )
        self._make_sticker(other)
        self.assertEqual(len(self._get_stickers()), 2)
        self.assertEqual(len(self._get_webhooks()), 1)
        with self.assertRaisesRegex(UserError, "has a sticker already"):
            self._take_over('beacon', other)
        self._remove(other)
        self._take_over('beacon', other)
        self._remove()
        with self.assertRaisesRegex(UserError, "Another till has this sticker"):
            self._take_over('beacon')

    def test_an_old_sticker_is_taken_over(self):
        self._remove()
        for number in (False, ' ', 'a/b', 'æ'):
            with self.assertRaisesRegex(UserError, "Enter the number"):
                self._take_over(number)
        self._take_over(' 0123456789 ')
        self.assertEqual(self.config.vipps_sticker_number, '0123456789')
        self.assertFalse(self.config.vipps_old_sticker_number)
        calls = [call['path'] for call in self.simulator.exchanges if call['method'] == 'PUT']
        self.assertEqual(calls[-1], '/qr/v1/merchant-callback/mobilepay/0123456789')

    def test_a_sticker_of_another_sales_unit_is_not_taken_over(self):
        self._remove()
        self.simulator._world.codes.stickers[DKK_UNIT.msn, 'taken'] = None
        with self.assertRaisesRegex(UserError, "does not hand over this sticker"):
            self._take_over('taken')
        self.assertFalse(self.config.vipps_sticker_number)

    def test_a_removed_sticker_is_gone_and_others_may_have_the_webhook(self):
        self._remove()
        self.assertFalse(self._get_stickers())
        self.assertFalse(self.config.vipps_sticker_number)
        self.assertFalse(self.vipps.vipps_check_in_webhook_id)
        self.env.cr.postcommit.run()
        self.assertFalse(self._get_webhooks())

    def test_one_that_vipps_mobilepay_forgot_is_removed_all_the_same(self):
        self.simulator._world.codes.stickers.clear()
        self._remove()
        self.assertFalse(self.config.vipps_sticker_number)

    def test_without_an_answer_it_stays(self):
        self.simulator.fault('delete_sticker', 'status', times=None, status=503)
        with self.assertRaises(UserError):
            self._remove()
        self.assertTrue(self.config.vipps_sticker_number)

    def test_a_sales_unit_without_the_right(self):
        self._remove()
        self.simulator.set_unit(NOK_UNIT.msn, may_have_stickers=False)
        with self.assertRaisesRegex(UserError, "may not do this"):
            self._make_sticker()
        self.assertFalse(self.config.vipps_sticker_number)

    def test_another_system_receives_the_check_ins(self):
        self._remove()
        self.env.cr.postcommit.run()
        self.env['vipps.api.client']._register_check_ins(self.vipps, 'https://example.com/hook')
        with self.assertRaisesRegex(UserError, r"Another system.*https://example\.com/hook"):
            self._make_sticker()

    def test_a_lost_registration_of_ours_is_made_anew(self):
        webhook_id = self.vipps.vipps_check_in_webhook_id
        self.vipps._vipps_write_protected({'vipps_check_in_secret': False})
        self._make_sticker()
        self.assertEqual(len(self._get_webhooks()), 1)
        self.assertNotEqual(self.vipps.vipps_check_in_webhook_id, webhook_id)

    def _get_known_secrets(self):
        return [
            known.secret for known in self.simulator._world.registrations.values()
            if 'user.checked-in.v1' in known.events
        ]

    def test_a_new_secret_is_kept_when_the_rest_of_the_check_fails(self):
        self.vipps._vipps_write_protected({'vipps_check_in_secret': False})
        self.simulator.fault('list_stickers', 'status', times=None, status=503)
        self._watch()
        self.assertEqual(
            [self.vipps._vipps_get_secret('vipps_check_in_secret')], self._get_known_secrets()
        )

    def test_nothing_is_registered_for_a_sticker_that_is_not_made(self):
        self.vipps._vipps_write_protected({'vipps_check_in_secret': False})
        secrets = self._get_known_secrets()
        self.simulator.fault('put_sticker', 'status', times=None, status=503)
        with self.assertRaises(UserError):
            self._make_sticker()
        self.assertEqual(self._get_known_secrets(), secrets)

    #=== Providers that share a sales unit ===#

    def _create_config_of_another_provider(self):
        other = self.vipps.copy({**KEYS, 'state': 'test'})
        method = self.env['pos.payment.method'].create({
            'name': "Other Vipps", 'use_payment_terminal': 'vipps', 'company_id': self.company.id,
            'vipps_provider_id': other.id,
            'journal_id': self.pos_method.journal_id.copy({'code': 'VT2'}).id,
        })
        return self._create_config("Other Shop", payment_method_ids=[Command.set(method.ids)])

    def test_the_registration_of_a_sales_unit_stays_for_the_stickers_of_another_provider(self):
        config = self._create_config_of_another_provider()
        self._make_sticker(config)
        self.assertNotEqual(config.vipps_sticker_provider_id, self.vipps)
        for last_config, count in ((self.config, 1), (config, 0)):
            self._remove(last_config)
            self.env.cr.postcommit.run()
            self.assertEqual(len(self._get_webhooks()), count)
        self.assertFalse(self.vipps.vipps_check_in_webhook_id)

    def test_a_sticker_is_of_one_till_whatever_its_provider(self):
        config = self._create_config_of_another_provider()
        self._remove()
        self._take_over('beacon')
        with self.assertRaisesRegex(UserError, "Another till has this sticker"):
            self._take_over('beacon', config)

    #=== The registration ===#

    def test_the_registration_of_payments_leaves_that_of_check_ins_alone(self):
        webhook_id = self.vipps.vipps_check_in_webhook_id
        self.vipps.action_vipps_set_up_webhooks()
        self.vipps._vipps_watch_webhook()
        self.env.cr.postcommit.run()
        self.assertEqual(self.vipps.vipps_check_in_webhook_id, webhook_id)
        self.assertIn(webhook_id, self.simulator._world.registrations)
        self.assertFalse(self.vipps.vipps_foreign_webhooks)

    def test_a_till_without_our_payment_method(self):
        config = self._create_config("Cash", payment_method_ids=[Command.clear()])
        with self.assertRaisesRegex(UserError, "Add a payment method"):
            self._make_sticker(config)

    #=== Rights ===#

    def test_cashiers_change_no_sticker(self):
        config = self.config.with_user(self.cashier)
        for action in ('make', 'take_over', 'show', 'remove'):
            with self.assertRaises(AccessError):
                getattr(config, f'action_vipps_{action}_sticker')()
        for user in (self.cashier, self.pos_manager, self.env.user):
            for name, value in (
                ('vipps_sticker_number', 'x'), ('vipps_sticker_provider_id', self.vipps.id),
                ('vipps_sticker_is_old', True),
            ):
                config = self.config.with_user(user).with_context(vipps_permit=True)
                with self.subTest(user=user.login, name=name), self.assertRaises(AccessError):
                    config.write({name: value})
        config = self.env['pos.config'].with_user(self.pos_manager).with_context(
            default_vipps_sticker_number=self.config.vipps_sticker_number,
        ).create({'name': "Copy"})
        self.assertFalse(config.vipps_sticker_number)
        self.assertFalse(self.config.copy().vipps_sticker_number)

    def test_managers_of_other_companies_change_no_sticker(self):
        company = self.env['res.company'].create({'name': "Another Shop"})
        stranger = self._new_user(
            'vipps_stranger', 'base.group_user,point_of_sale.group_pos_manager', company
        )
        for action in ('make', 'take_over', 'show', 'remove'):
            with self.assertRaises(AccessError):
                getattr(self.config.with_user(stranger), f'action_vipps_{action}_sticker')()

    #=== The daily check ===#

    def _watch(self):
        self.vipps._vipps_watch_webhook()
        self.env.cr.postcommit.run()
        self.env.invalidate_all()
        return self.vipps.activity_ids.filtered(lambda a: a.vipps_problem == 'stickers')

    def test_a_renamed_till_is_renamed_for_customers(self):
        self.config.name = "New Name"
        self.assertFalse(self._watch())
        self.assertEqual(list(self._get_stickers().values()), ["New Name"])

    def test_a_missing_sticker_is_reported_until_it_is_made_again(self):
        self.simulator._world.codes.stickers.clear()
        self.assertIn("Shop", self._watch().note)
        self._make_sticker()
        self.assertFalse(self._watch())

    def test_a_right_that_was_taken_away_is_reported(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_have_stickers=False)
        self.assertIn("may not do this", self._watch().note)

    def test_without_an_answer_nothing_is_reported(self):
        self.simulator.fault('list_stickers', 'status', times=None, status=503)
        self.assertFalse(self._watch())

    def test_secrets_are_in_no_audit_trail(self):
        entries = self.env['vipps.audit.event'].sudo().search([])
        self.assertIn("Sticker of Shop made", entries.mapped('details'))
        secret, = self._get_known_secrets()
        self.assertNotIn(secret, json.dumps(entries.read(), default=str))
