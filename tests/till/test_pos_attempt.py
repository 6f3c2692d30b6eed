# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ...models.api.client import VippsError
from ...models.till.attempt import LIFETIME
from ...protocol.payment import Event
from ...simulator.sales_units import NOK_UNIT
from ..pos_common import PosCommon

SECOND = timedelta(seconds=1)


class PosAttemptCommon(PosCommon):

    def _create(self, ui_order=None, flow='qr', phone=False):
        """ Save an order, and store an attempt to pay it; nobody is asked yet. """
        ui_order = ui_order or self._prepare_ui_order()
        order = self._save_draft(ui_order)
        return self._call(
            'vipps_create_attempt', order.id, self._get_uuid(ui_order), flow, phone
        )

    def _get_created(self):
        """ Return the payments that Vipps MobilePay has. """
        return [payment['reference'] for payment in self.simulator.payments]

    def _tell(self, reference):
        """ Store the last event of a payment in the inbox, as the webhook does. """
        event = self.simulator.payment(reference)['events'][-1]
        self.env['vipps.webhook.event'].sudo()._store(
            self.vipps, Event.parse({'msn': NOK_UNIT.msn, **event})
        )

    def _assert_refused(self, sentence, *args, **kwargs):
        """ Ensure that an attempt is refused with a sentence, and that nothing is stored. """
        count = self.env['payment.transaction'].sudo().search_count([])
        with self.assertRaisesRegex(UserError, sentence):
            self._create(*args, **kwargs)
        self.assertEqual(self.env['payment.transaction'].sudo().search_count([]), count)
        self.assertFalse(self._get_created())


@tagged('post_install', '-at_install', 'vipps_alone')
class TestPosAttempt(PosAttemptCommon):
    """ How a customer is asked, and what comes of it. """

    def test_a_customer_is_asked_without_the_receipt_that_is_refused(self):
        self.simulator.fault('create', 'invalid', times=None, field='receipt.orderLines[0].name')
        status = self._ask(self._prepare_ui_order())
        self.assertEqual(status['state'], 'waiting')
        self.assertNotIn('receipt', self._get_request(status['reference']))
        self.assertIn('receipt.orderLines[0].name', self.vipps.activity_ids.note)
        self.assertEqual(self._look(status['reference'])['state'], 'waiting')

    def test_a_push_message_is_not_sent_without_its_phone_number(self):
        self.simulator.fault('create', 'invalid', times=None, field='customer.phoneNumber')
        status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
        self.assertEqual(status['state'], 'unpaid')
        self.assertFalse(self._get_created())

    #=== The three flows ===#

    def test_a_customer_who_scans_the_qr_code_pays_the_order_and_is_charged_at_once(self):
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order)
        self.assertEqual(status['state'], 'waiting')
        self.assertTrue(status['qr'].startswith('data:image/svg+xml;base64,'))
        self.simulator.approve(status['reference'])
        status = self._look(status['reference'])
        self.assertEqual((status['state'], status['is_captured']), ('paid', True))
        self.assertFalse(status['is_attached'])
        order = self._finish(ui_order)
        tx = self._get_attempt(status['reference'])
        self.assertEqual((order.state, order.payment_ids.vipps_transaction_id), ('paid', tx))
        self.assertEqual(self._get_aggregate(tx)['captured'], 4500)
        self.assertFalse(tx.payment_id)

    def test_a_customer_who_approves_the_push_message_pays_the_order(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order, flow='push', phone='98 76 54 32')
        self.assertEqual((status['state'], status['qr']), ('paid', False))
        self.assertEqual(self._finish(ui_order).state, 'paid')
        request = self._get_request(status['reference'])
        self.assertEqual(request['userFlow'], 'PUSH_MESSAGE')
        self.assertEqual(request['customer'], {'phoneNumber': '4798765432'})

    def test_a_customer_whose_code_is_scanned_pays_the_order_and_the_code_is_kept_nowhere(self):
        code = self.simulator.make_code()
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order, flow='code', code=f" {code}\n")
        self.assertEqual((status['state'], status['qr']), ('paid', False))
        self.assertEqual(self._finish(ui_order).state, 'paid')
        request = self._get_request(status['reference'])
        self.assertEqual(request['userFlow'], 'PUSH_MESSAGE')
        self.assertEqual(request['customer'], {'personalQr': code})
        for table in ('payment_transaction', 'pos_order', 'pos_payment', 'bus_bus'):
            self.env.cr.execute(f"SELECT t::text FROM {table} t")
            self.assertNotIn(code, str(self.env.cr.fetchall()), table)

    def test_all_flows_say_that_the_customer_is_present_and_lead_to_no_page_of_ours(self):
        for flow, kwargs in (
            ('qr', {}),
            ('push', {'phone': '98765432'}),
            ('code', {'code': self.simulator.make_code()}),
        ):
            with self.subTest(flow=flow):
                status = self._ask(self._prepare_ui_order(), flow=flow, **kwargs)
                self.assertEqual(status['state'], 'waiting')
                request = self._get_request(status['reference'])
                self.assertEqual(request['customerInteraction'], 'CUSTOMER_PRESENT')
                self.assertNotIn('returnUrl', request)
                self.assertEqual(request.get('qrFormat'), {
                    'qr': {'format': 'TEXT/TARGETURL'},
                }.get(flow))
                self.assertEqual(request['amount'], {'currency': 'NOK', 'value': 4500})

    def test_the_receipt_in_the_app_adds_up_with_a_tip_and_with_what_is_paid_in_cash(self):
        tip_product = self.env['product.product'].create({'name': "Tip", 'type': 'service'})
        self.config.tip_product_id = tip_product
        ui_order = self._prepare_ui_order(
            55,
            lines=[
                self._prepare_ui_line(45),
                self._prepare_ui_line(10, product_id=tip_product.id),
            ],
            payments=[
                self._prepare_ui_payment(35), self._prepare_ui_payment(20, self.cash_method),
            ],
        )
        status = self._ask(ui_order)
        receipt = self._get_request(status['reference'])['receipt']
        line, = receipt['orderLines']
        self.assertEqual((line['name'], line['totalAmount']), ("Cinnamon Bun", 4500))
        self.assertEqual(receipt['bottomLine'], {
            'currency': 'NOK',
            'tipAmount': 1000,
            'posId': "Shop",
            'receiptNumber': ui_order['data']['name'],
            'paymentSources': {'cash': 2000},
        })

    def test_phone_numbers_of_all_formats_are_understood(self):
        for number, sent in (
            ('98 76 54 32', '4798765432'),
            ('+47 98765432', '4798765432'),
            ('0045 20 12 34 56', '4520123456'),
            ('+358 (0)40 123 45 67', '358401234567'),
            ('+46 070-123 45 67', '46701234567'),
        ):
            with self.subTest(number=number):
                status = self._ask(self._prepare_ui_order(), flow='push', phone=number)
                request = self._get_request(status['reference'])
                self.assertEqual(request['customer'], {'phoneNumber': sent})
                self.assertTrue(self._call('vipps_check_phone', number))

    def test_what_is_no_phone_number_is_refused_before_anybody_is_asked(self):
        for number in ('', False, None, '123', 'Kari', '98765432x', '+', '9' * 400, '98\x0076'):
            with self.subTest(number=number):
                self._assert_refused("not a phone number", flow='push', phone=number)
                with self.assertRaisesRegex(UserError, "not a phone number"):
                    self._call('vipps_check_phone', number)

    def test_a_flow_that_is_switched_off_is_refused(self):
        self.env.cr.execute(
            "UPDATE pos_payment_method SET vipps_allow_push = false WHERE id = %s",
            [self.pos_method.id],
        )
        self.env.invalidate_all()
        self._assert_refused("switched off", flow='push', phone='98765432')
        self._assert_refused("switched off", flow='web')
        self._assert_refused("switched off", flow=None)

    def test_a_till_without_approval_says_what_vipps_mobilepay_would_say(self):
        self.pos_method.vipps_push_refused = True
        self._assert_refused(
            self.env['vipps.api.client']._get_sentence('5080'), flow='push', phone='98765432',
        )

    #=== What comes of it ===#

    def test_the_receipt_tells_the_brand_the_masked_phone_the_reference_and_the_time(self):
        ui_order = self._prepare_ui_order()
        status = self._ask_and_approve(ui_order, flow='push', phone='98765432')
        brand, moment, phone, reference = (
            status['ticket'].strip().split('\n')[index] for index in (0, 2, 1, 3)
        )
        self.assertEqual((brand, phone), ("Vipps", '47******32'))
        self.assertIn(status['reference'], reference)
        self.assertTrue(moment)
        order = self._finish(ui_order)
        self.assertEqual(order.payment_ids.ticket, status['ticket'])
        self.assertEqual(order.payment_ids.transaction_id, status['reference'])

    def test_the_phone_number_is_masked_as_soon_as_it_is_decided_whether_the_customer_pays(self):
        for decision in ('approve', 'decline', 'expire'):
            with self.subTest(decision=decision):
                status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
                tx = self._get_attempt(status['reference'])
                self.assertEqual(tx.vipps_customer_phone, '4798765432')
                getattr(self.simulator, decision)(status['reference'])
                self._look(status['reference'])
                self.assertEqual(tx.vipps_customer_phone, '47******32')
        status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
        self._call('vipps_cancel_attempt', status['reference'])
        tx = self._get_attempt(status['reference'])
        self.assertEqual(tx.vipps_customer_phone, '47******32')

    def test_who_declines_or_lets_the_time_pass_is_asked_again_with_a_new_reference(self):
        ui_order = self._prepare_ui_order()
        references = set()
        for decision, sentence in (
            ('decline', "cancelled in the app"), ('expire', "The time ran out"),
        ):
            status = self._ask(ui_order)
            references.add(status['reference'])
            getattr(self.simulator, decision)(status['reference'])
            status = self._look(status['reference'])
            self.assertEqual((status['state'], status['qr']), ('unpaid', False))
            self.assertIn(sentence, status['message'])
        status = self._ask_and_approve(ui_order)
        self.assertEqual(status['state'], 'paid')
        self.assertEqual(len(references | {status['reference']}), 3)
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_the_time_that_is_left_is_told_and_runs_out(self):
        status = self._ask(self._prepare_ui_order())
        self.assertLessEqual(status['seconds_left'], 600)
        self.assertGreater(status['seconds_left'], 500)
        self.simulator.advance(601)
        self.assertEqual(self._look(status['reference'])['state'], 'unpaid')

    #=== Asking again ===#

    def test_a_payment_that_is_open_or_paid_is_asked_for_once(self):
        ui_order = self._prepare_ui_order()
        status = self._create(ui_order)
        self.assertEqual(status['state'], 'unknown')
        self.assertEqual(self._create(ui_order)['reference'], status['reference'])
        self._call('vipps_start_attempt', status['reference'])
        self.assertEqual(self._create(ui_order, flow='push')['reference'], status['reference'])
        self.simulator.approve(status['reference'])
        self._look(status['reference'])
        again = self._create(ui_order)
        self.assertEqual((again['reference'], again['state']), (status['reference'], 'paid'))
        self._call('vipps_start_attempt', status['reference'])
        self.assertEqual(self._get_created(), [status['reference']])

    def test_an_order_that_somebody_is_paying_is_not_paid_by_another_line(self):
        ui_order = self._prepare_ui_order(
            payments=[self._prepare_ui_payment(20), self._prepare_ui_payment(25)]
        )
        status = self._ask(ui_order)
        with self.assertRaisesRegex(UserError, "already being asked"):
            self._ask(ui_order, index=1)
        self.simulator.approve(status['reference'])
        self._look(status['reference'])
        self.assertEqual(self._ask_and_approve(ui_order, index=1)['state'], 'paid')
        self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_no_more_than_is_left_to_pay_is_asked_for(self):
        self._assert_refused("left to pay", self._prepare_ui_order(
            payments=[self._prepare_ui_payment(50)]
        ))
        self._assert_refused("left to pay", self._prepare_ui_order(payments=[
            self._prepare_ui_payment(45), self._prepare_ui_payment(10, self.cash_method),
        ]))

    def test_a_lost_answer_to_the_start_never_makes_a_second_payment(self):
        kinds = ('lost_answer', 'lost', 'garbage', 'truncated', 'late_status')
        for flow, flow_kinds in (('qr', kinds), ('push', kinds[:1]), ('code', kinds[:2])):
            for kind in flow_kinds:
                with self.subTest(flow=flow, kind=kind), self._without_pauses():
                    self.simulator.reset()
                    code = self.simulator.make_code() if flow == 'code' else False
                    ui_order = self._prepare_ui_order()
                    status = self._create(ui_order, flow, '98765432')
                    self.simulator.fault('create', kind, times=None, **(
                        {'status': 503} if kind == 'late_status' else {}
                    ))
                    status = self._call('vipps_start_attempt', status['reference'], code)
                    self.assertEqual(status['state'], 'unknown')
                    self.simulator.clear_faults()
                    status = self._call('vipps_start_attempt', status['reference'], code)
                    self.assertEqual(status['state'], 'waiting')
                    self.assertEqual(bool(status['qr']), flow == 'qr')
                    self.assertEqual(self._get_created(), [status['reference']])
                    self.simulator.approve(status['reference'])
                    self.assertEqual(self._look(status['reference'])['state'], 'paid')
                    self.assertEqual(self._finish(ui_order).state, 'paid')

    def test_a_payment_whose_answer_was_lost_is_found_by_who_only_looks(self):
        for flow in ('qr', 'push', 'code'):
            with self.subTest(flow=flow), self._without_pauses():
                status = self._create(flow=flow, phone='98765432')
                self.simulator.fault('create', 'lost_answer', times=None)
                code = self.simulator.make_code() if flow == 'code' else False
                self._call('vipps_start_attempt', status['reference'], code)
                self.simulator.clear_faults()
                status = self._look(status['reference'], with_qr=True)
                self.assertEqual(status['state'], 'waiting')
                self.assertEqual(bool(status['qr']), flow == 'qr')

    def test_a_code_whose_answer_was_lost_is_found_without_the_code(self):
        status = self._create(flow='code')
        self.simulator.fault('create', 'lost_answer', times=None)
        with self._without_pauses():
            self._call('vipps_start_attempt', status['reference'], self.simulator.make_code())
        self.simulator.clear_faults()
        status = self._call('vipps_start_attempt', status['reference'])
        self.assertEqual(status['state'], 'waiting')

    def test_another_code_after_a_lost_answer_finds_the_payment_of_the_first_one(self):
        status = self._create(flow='code')
        self.simulator.fault('create', 'lost_answer', times=None)
        with self._without_pauses():
            self._call('vipps_start_attempt', status['reference'], self.simulator.make_code())
        self.simulator.clear_faults()
        other_code = self.simulator.make_code('4711111111')
        status = self._call('vipps_start_attempt', status['reference'], other_code)
        self.assertEqual(status['state'], 'waiting')
        self.assertEqual(self._get_created(), [status['reference']])

    def test_a_found_payment_whose_movements_cannot_be_read_is_not_refused(self):
        status = self._create(flow='code')
        self.simulator.fault('create', 'lost_answer', times=None)
        with self._without_pauses():
            self._call('vipps_start_attempt', status['reference'], self.simulator.make_code())
        self.simulator.clear_faults()
        self.simulator.approve(status['reference'])
        self.simulator.capture(status['reference'], 100)
        self.simulator.fault('events', 'status', times=None, status=503)
        with self._without_pauses(), self.assertRaises(VippsError):
            self._call('vipps_start_attempt', status['reference'], self.simulator.make_code())
        self.simulator.clear_faults()
        self.assertEqual(self._look(status['reference'])['state'], 'paid')

    def test_an_attempt_that_was_never_started_ends_by_itself(self):
        status = self._create(flow='push', phone='98765432')
        with freeze_time(fields.Datetime.now() + LIFETIME + SECOND):
            self._run_job()
        tx = self._get_attempt(status['reference'])
        self.assertEqual(tx.state, 'cancel')
        status = self._call('vipps_get_attempt', status['reference'])
        self.assertEqual(status['state'], 'unpaid')
        self.assertTrue(status['message'])
        self.assertEqual(tx.vipps_customer_phone, '47******32')
        self.assertTrue(self._close_without_orders()['successful'])

    def _close_without_orders(self):
        self.session.order_ids.filtered(lambda o: o.state == 'draft').with_user(
            self.cashier
        ).remove_from_ui(self.session.order_ids.ids)
        self.env.invalidate_all()
        return self._close()

    #=== Refusals ===#

    def test_a_unit_that_may_not_push_is_remembered_until_the_connection_is_tested(self):
        self.simulator.set_unit(NOK_UNIT.msn, may_push=False)
        for flow in ('push', 'code'):
            with self.subTest(flow=flow):
                code = self.simulator.make_code() if flow == 'code' else False
                ui_order = self._prepare_ui_order()
                status = self._ask(ui_order, flow=flow, phone='98765432', code=code)
                self.assertEqual((status['state'], status['push_refused']), ('unpaid', True))
                self.assertIn("QR code", status['message'])
                self.assertTrue(self.pos_method.vipps_push_refused)
                for other_flow in ('push', 'code'):
                    with self.assertRaisesRegex(UserError, "Show a QR code"):
                        self._create(ui_order, flow=other_flow, phone='98765432')
                self.assertEqual(self._ask_and_approve(ui_order)['state'], 'paid')
                self.assertEqual(self._finish(ui_order).state, 'paid')
                self.vipps.action_vipps_test_connection()
                self.assertFalse(self.pos_method.vipps_push_refused)
        self.simulator.set_unit(NOK_UNIT.msn, may_push=True)
        status = self._ask(self._prepare_ui_order(), flow='push', phone='98765432')
        self.assertEqual(status['state'], 'waiting')

    def test_a_number_without_the_app_is_told_and_another_way_is_open(self):
        self.simulator.set_customer('4798765432', False)
        ui_order = self._prepare_ui_order()
        status = self._ask(ui_order, flow='push', phone='98765432')
        self.assertEqual((status['state'], status['push_refused']), ('unpaid', False))
        self.assertIn("No payment was sent to this number", status['message'])
        self.assertFalse(self._get_created())
        self.assertFalse(self._get_activities(), "No administrator has to do anything.")
        self.assertEqual(self._ask_and_approve(ui_order)['state'], 'paid')

    def test_what_is_no_code_of_a_customer_is_refused_with_a_sentence(self):
        used_code = self.simulator.make_code()
        self._ask(self._prepare_ui_order(), flow='code', code=used_code)
        for code in (used_code, '7038010009857', 'https://www.example.com/', 'x', 'y' * 300):
            with self.subTest(code=code):
                ui_order = self._prepare_ui_order()
                status = self._ask(ui_order, flow='code', code=code)
                self.assertEqual(status['state'], 'unpaid')
                self.assertIn("not a customer's code", status['message'])
                self.assertNotIn(code, status['message'].split())
        self.assertEqual(len(self._get_created()), 1)
        self.assertFalse(self._get_activities())
        self.assertEqual(
            [exchange['status'] for exchange in self._get_calls('create')], [201, 400, 400],
            "A number and what is too short or too long are not sent.",
        )

    def test_an_attempt_with_a_code_waits_for_the_code(self):
        for code in (False, None, '', '  ', 5, ['x'], {'x': 1}):
            with self.subTest(code=code):
                status = self._create(flow='code')
                status = self._call('vipps_start_attempt', status['reference'], code)
                self.assertEqual(status['state'], 'unknown')
        self.assertFalse(self._get_created())

    def test_wrong_settings_are_told_to_an_administrator_too(self):
        self.simulator.set_unit(NOK_UNIT.msn, active=False)
        status = self._ask(self._prepare_ui_order())
        self.assertEqual(status['state'], 'unpaid')
        self.assertTrue(status['message'])
        self.assertIn("Tills cannot take payments", self._get_activities().summary)
