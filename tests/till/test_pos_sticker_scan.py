# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.modules import neutralize
from odoo.tests import tagged

from ...models.api.client import VippsError
from ...models.till.closing import GIVE_UP_AGE
from ...simulator.sales_units import DKK_UNIT, NOK_UNIT
from ..sticker_common import StickerCommon


@tagged('post_install', '-at_install', 'vipps_alone')
class TestPosStickerScan(StickerCommon):
    """ Customers who scan, and who is asked for what. """

    def _assert_asked(self, status, token):
        """ Ensure that the customer with a token is asked, and that the token is forgotten. """
        self.assertEqual(status['state'], 'waiting')
        self.assertEqual(
            self.simulator._world.find_by_reference(status['reference']).request['customer'],
            {'customerToken': token},
        )
        self.assertFalse(self._get_attempt(status['reference']).vipps_check_in_ids.token_ciphertext)

    def _get_token(self, index=-1):
        return list(self.simulator._world.codes.tokens)[index]

    #=== One customer ===#

    def test_the_question_waits_for_the_scan(self):
        ui_order = self._prepare_ui_order()
        status = self._question(ui_order)
        self.assertEqual((status['state'], status['check_ins']), ('scan', []))
        self.assertFalse(self.simulator.payments)
        self._scan()
        status = self._call('vipps_get_attempt', status['reference'])
        self.assertTrue(status['is_ready'])
        self.assertFalse(self.simulator.payments)
        status = self._go_on(status)
        self.assertEqual((status['state'], status['is_bound']), ('unknown', True))
        self.assertFalse(self.simulator.payments)
        status = self._go_on(status)
        self._assert_asked(status, self._get_token())
        request = self._get_request(status['reference'])
        self.assertEqual(request['userFlow'], 'PUSH_MESSAGE')
        self.assertEqual(request['customerInteraction'], 'CUSTOMER_PRESENT')
        self.simulator.approve(status['reference'])
        status = self._look(status['reference'])
        self.assertEqual(status['state'], 'paid')
        order = self._finish(ui_order)
        self.assertEqual(order.state, 'paid')

    def test_the_scan_waits_for_the_press(self):
        self._scan()
        waiting = self._call('vipps_list_check_ins')
        self.assertEqual(len(waiting), 1)
        self.assertLess(waiting[0]['seconds'], 60)
        status = self._go_on(self._question())
        self._assert_asked(status, self._get_token())
        self.assertEqual(self._call('vipps_list_check_ins'), [])

    def test_the_till_is_told_without_anything_of_the_customer(self):
        self.env['bus.bus'].sudo().search([]).unlink()
        self._scan()
        self.env.cr.precommit.run()
        messages = self.env['bus.bus'].sudo().search([]).mapped('message')
        self.assertEqual([m for m in messages if 'VIPPS' in m],
                         ['{"type":"VIPPS_CHECK_IN","payload":{}}'])

    def test_an_event_that_comes_twice_is_one_customer(self):
        token = self.simulator.check_in(self.config.vipps_sticker_number)
        for _number in range(2):
            self._scan(token=token)
        self.assertEqual(len(self._call('vipps_list_check_ins')), 1)
        self._go_on(self._question())
        self._scan(token=token)
        self.assertEqual(self._call('vipps_list_check_ins'), [])

    def test_a_customer_who_is_not_asked_in_time(self):
        self._scan()
        status = self._question()
        with freeze_time(fields.Datetime.now() + timedelta(minutes=15, seconds=1)):
            self.assertEqual(self._call('vipps_list_check_ins'), [])
            status = self._go_on(status)  # It was bound.
            self.assertEqual(status['state'], 'unpaid')
            self.assertIn("check in again", status['message'])
            self.env['vipps.webhook.event'].sudo()._cron_forget_check_ins()
        self.assertFalse(self._get_check_ins().token_ciphertext)
        self.assertFalse(self.simulator.payments)

    def test_a_token_that_vipps_mobilepay_refuses(self):
        self._scan(token='bad')
        status = self._go_on(self._question())
        self.assertEqual(status['state'], 'unpaid')
        self.assertIn("check in again", status['message'])
        self.assertFalse(self._get_check_ins().token_ciphertext)
        self.assertFalse(self.vipps.activity_ids)

    def test_a_lost_answer_is_asked_for_again_with_the_same_customer(self):
        self._scan()
        self.simulator.fault('create', 'lost_answer', times=3)
        status = self._go_on(self._question())
        self.assertEqual(status['state'], 'unknown')
        self._scan()
        status = self._go_on(status, check_in=self._call('vipps_list_check_ins')[0]['id'])
        self._assert_asked(status, self._get_token(0))
        self.assertEqual(len(self.simulator.payments), 1)

    def test_a_lost_answer_after_the_token_is_too_old_is_found(self):
        self._scan()
        self.simulator.fault('create', 'lost_answer', times=3)
        status = self._go_on(self._question())
        with freeze_time(fields.Datetime.now() + timedelta(minutes=16)):
            status = self._go_on(status)
        self.assertEqual(status['state'], 'waiting')

    def test_units_that_may_not_push(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_push=False)
        self._scan()
        status = self._go_on(self._question())
        self._assert_asked(status, self._get_token())
        self.assertEqual(self._get_request(status['reference'])['userFlow'], 'WEB_REDIRECT')
        self.assertTrue(self.pos_method.vipps_sticker_redirects)
        self.assertFalse(self.pos_method.vipps_push_refused)
        self.simulator.approve(status['reference'])
        self.assertEqual(self._look(status['reference'])['state'], 'paid')
        self._get_attempt(status['reference']).last_state_change -= timedelta(minutes=1)
        count = len(self.simulator.exchanges)
        self._scan()
        status = self._go_on(self._question())
        self.assertEqual(status['state'], 'waiting')
        creations = [
            call['status'] for call in self.simulator.exchanges[count:]
            if call['operation'] == 'create'
        ]
        self.assertEqual(creations, [201])
        self.vipps._vipps_follow_good_keys()
        self.assertFalse(self.pos_method.vipps_sticker_redirects)

    def test_the_time_of_the_customer_begins_when_the_customer_is_bound(self):
        status = self._question()
        tx = self._get_attempt(status['reference'])
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE payment_transaction SET create_date = create_date - %(age)s,"
            " last_state_change = last_state_change - %(age)s WHERE id = %(id)s",
            {'age': GIVE_UP_AGE + timedelta(minutes=1), 'id': tx.id},
        )
        self.env.invalidate_all()
        self._scan()
        self.simulator.fault('create', 'status', times=None, status=503)
        status = self._go_on(self._go_on(status))
        self.assertEqual((status['state'], status['may_give_up']), ('unknown', False))
        self.assertGreater(status['seconds_left'], 500)
        with self.assertRaises(VippsError):  # It is not found yet.
            tx._vipps_sync()
        self.assertEqual(tx.state, 'draft')
        with freeze_time(fields.Datetime.now() + GIVE_UP_AGE + timedelta(seconds=1)):
            self.assertTrue(tx._vipps_may_give_up())

    #=== Several customers, orders and tills ===#

    def test_two_customers_are_chosen_by_the_cashier(self):
        first, second = self._scan(age=20), self._scan(age=5)
        status = self._question()
        self.assertEqual(status['state'], 'scan')
        self.assertFalse(status['is_ready'])
        self.assertEqual([c['id'] for c in status['check_ins']], [first.id, second.id])
        status = self._go_on(self._go_on(status, check_in=second.id))
        self._assert_asked(status, self._get_token(1))
        # The other one may be the same person, who scanned twice.
        status = self._question()
        self.assertEqual(status['state'], 'scan')
        self.assertFalse(status['is_ready'])
        self.assertEqual([c['id'] for c in status['check_ins']], [first.id])
        status = self._go_on(self._go_on(status, check_in=first.id))
        self._assert_asked(status, self._get_token(0))

    def test_who_scans_again_while_paying_is_not_asked_for_the_next_order(self):
        self._scan(age=30)
        status = self._go_on(self._question())
        self._scan(age=10)
        self.simulator.approve(status['reference'])
        self._look(status['reference'])
        status = self._question()
        self.assertEqual((status['state'], status['is_ready']), ('scan', False))
        self.assertEqual(len(status['check_ins']), 1)

    def test_a_customer_who_came_long_ago_is_not_asked_without_a_choice(self):
        check_in = self._scan(age=121)
        status = self._question()
        self.assertEqual(status['state'], 'scan')
        self.assertGreaterEqual(status['check_ins'][0]['seconds'], 121)
        self.assertEqual(self._go_on(status, check_in=check_in.id)['is_bound'], True)

    def test_with_two_questions_nobody_is_asked_without_a_choice(self):
        first, second = self._question(), self._question()
        check_in = self._scan()
        for status in (first, second):
            self.assertEqual(self._go_on(status)['state'], 'scan')
        status = self._go_on(first, check_in=check_in.id)
        self.assertTrue(status['is_bound'])
        status = self._go_on(second, check_in=check_in.id)
        self.assertEqual((status['state'], status['check_ins']), ('scan', []))
        self._call('vipps_cancel_attempt', second['reference'])
        self.assertEqual(self._go_on(first)['state'], 'waiting')
        self.assertEqual(len(self.simulator.payments), 1)

    def test_a_question_is_cancelled(self):
        status = self._question()
        self.assertEqual(self._call('vipps_cancel_attempt', status['reference'])['state'], 'unpaid')
        self._scan()
        self.assertEqual(self._go_on(status)['state'], 'unpaid')
        self.assertEqual(len(self._call('vipps_list_check_ins')), 1)

    def test_check_ins_of_another_till_are_not_taken(self):
        other = self._create_config(
            "Other Shop", payment_method_ids=[Command.set(self.pos_method.ids)]
        )
        self._make_sticker(other)
        session = self._open_session(other)
        check_in = self._scan(other.vipps_sticker_number)
        status = self._question()
        self.assertEqual((status['state'], status['check_ins']), ('scan', []))
        self.assertEqual(self._go_on(status, check_in=check_in.id)['state'], 'scan')
        self.assertEqual(len(self._call('vipps_list_check_ins', session=session)), 1)

    def test_a_question_keeps_the_session_open_until_it_is_cancelled(self):
        status = self._question()
        self.assertEqual(self._call('vipps_list_attempts')[0]['state'], 'scan')
        self._call('vipps_cancel_attempt', status['reference'])
        self.assertEqual(self._call('vipps_list_attempts'), [])

    #=== Customers who have left ===#

    def test_a_customer_who_has_left_is_dismissed(self):
        status = self._question()
        token = self.simulator.check_in(self.config.vipps_sticker_number)
        check_in = self._scan(token=token)
        self.env.cr.precommit.run()
        self.env['bus.bus'].sudo().search([]).unlink()
        self.assertEqual(self._call('vipps_dismiss_check_in', check_in.id), [])
        self.env.cr.precommit.run()
        messages = self.env['bus.bus'].sudo().search([]).mapped('message')
        self.assertIn('{"type":"VIPPS_CHECK_IN","payload":{}}', messages)
        self.assertFalse(check_in.token_ciphertext)
        # Neither a choice that another browser shows yet, nor the event again, changes that.
        self.assertEqual(self._go_on(status, check_in=check_in.id)['check_ins'], [])
        self._scan(token=token)
        check_in.action_replay()
        self.assertEqual(self._go_on(status)['check_ins'], [])
        self.assertFalse(self.simulator.payments)

    def test_who_comes_after_a_dismissed_customer_is_asked_at_once(self):
        check_in = self._scan(age=30)
        with freeze_time(fields.Datetime.now() - timedelta(seconds=10)):
            self._call('vipps_dismiss_check_in', check_in.id)
        self._scan(age=5)  # It may be the same one.
        status = self._question()
        self.assertTrue(status['is_bound'])
        self._assert_asked(self._go_on(status), self._get_token())

    def test_who_was_there_with_a_dismissed_customer_is_chosen(self):
        first, second = self._scan(age=5), self._scan()
        status = self._question()
        self.assertEqual(
            [c['id'] for c in self._call('vipps_dismiss_check_in', first.id)], [second.id]
        )
        status = self._call('vipps_get_attempt', status['reference'])
        self.assertFalse(status['is_ready'])
        status = self._go_on(self._go_on(status, check_in=second.id))
        self._assert_asked(status, self._get_token())

    def test_a_customer_who_was_asked_is_not_dismissed(self):
        check_in = self._scan()
        status = self._question()
        self.assertTrue(status['is_bound'])
        good_until = check_in.good_until
        self._call('vipps_dismiss_check_in', check_in.id)
        self.assertEqual(check_in.good_until, good_until)
        self._assert_asked(self._go_on(status), self._get_token())

    def test_a_customer_is_dismissed_by_nobody_but_the_cashiers_of_the_till(self):
        check_in = self._scan()
        session = self._open_session(self._create_config(
            "Other Shop", payment_method_ids=[Command.set(self.pos_method.ids)]
        ))
        for wrong in (None, False, True, 'x', [check_in.id], {}, check_in.id + 1):
            self._call('vipps_dismiss_check_in', wrong)
        self.assertEqual(self._call('vipps_dismiss_check_in', check_in.id, session=session), [])
        company = self.env['res.company'].create({'name': "Another Shop"})
        for user in (
            self._new_user('vipps_clerk', 'base.group_user'),
            self._new_user(
                'vipps_stranger', 'base.group_user,point_of_sale.group_pos_user', company
            ),
        ):
            with self.assertRaises(AccessError):
                self._call('vipps_dismiss_check_in', check_in.id, user=user)
        self.assertEqual([c['id'] for c in self._call('vipps_list_check_ins')], [check_in.id])

    #=== Scans that are nobody's ===#

    def test_a_till_that_is_closed(self):
        self._close()
        self.assertEqual(self._scan().state, 'ignored')
        self.assertFalse(self._get_check_ins().token_ciphertext)
        session = self._open_session(self.config)
        self.assertEqual(self._call('vipps_list_check_ins', session=session), [])

    def test_check_ins_that_are_only_noted(self):
        other = self._create_provider_of_another_company()
        for values in (
            {'number': 'unknown'}, {'age': 901}, {'msn': DKK_UNIT.msn}, {'provider': other},
        ):
            with self.subTest(**values):
                check_in = self._scan(token=self._make_key(), **values)
                self.assertEqual(check_in.state, 'ignored')
                self.assertFalse(check_in.token_ciphertext)
        self.assertEqual(self._call('vipps_list_check_ins'), [])

    def _create_provider_of_another_company(self):
        company = self.env['res.company'].create({'name': "Another Shop"})
        return self.vipps.copy({'company_id': company.id, 'state': 'disabled'})

    def test_a_replayed_check_in_asks_nobody(self):
        check_in = self._scan()
        check_in.action_replay()
        with freeze_time(fields.Datetime.now() + timedelta(minutes=20)):
            check_in._dispatch()
            self.assertEqual(check_in.state, 'ignored')
            self.assertEqual(self._call('vipps_list_check_ins'), [])

    def test_the_way_can_be_switched_off(self):
        self.session.state = 'closed'
        self.pos_method.vipps_allow_sticker = False
        self.session.state = 'opened'
        with self.assertRaisesRegex(UserError, "switched off"):
            self._question()

    def test_tills_without_a_sticker_cannot_ask_so(self):
        self.config.with_user(self.pos_manager).action_vipps_remove_sticker()
        with self.assertRaisesRegex(UserError, "switched off"):
            self._question()

    #=== Secrets ===#

    def test_a_neutralized_copy_has_neither_stickers_nor_tokens(self):
        self._scan()
        self.env.flush_all()
        for query in neutralize.get_neutralization_queries(['mobilepay_vipps']):
            self.env.cr.execute(query)
        self.env.invalidate_all()
        self.assertFalse(self.config.vipps_sticker_number)
        self.assertFalse(self._get_check_ins().token_ciphertext)

    def test_the_token_is_a_secret(self):
        with self.assertLogs('odoo.addons.mobilepay_vipps', level='DEBUG') as log:
            self._scan()
            token = self._get_token()
            status = self._question()
            self._go_on(status)
        check_in = self._get_check_ins()
        texts = [
            *log.output, str(check_in.read()), str(status),
            str(self.env['vipps.api.call'].sudo().search([]).read()),
            str(self.env['vipps.audit.event'].sudo().search([]).read()),
            str(self._get_attempt(status['reference']).read()),
        ]
        for text in texts:
            self.assertNotIn(token, text)
        with self.assertRaises(AccessError):
            check_in.with_user(self.env.ref('base.user_admin')).read(['token_ciphertext'])
