# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree, html

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command, Datetime
from odoo.tests import Form, new_test_user, tagged

from ..common import TransactionCommon


@tagged('post_install', '-at_install')
class TestCustomerService(TransactionCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_salesman = new_test_user(
            cls.env, 'vipps_other_salesman', 'base.group_user,sales_team.group_sale_salesman',
            company_id=cls.company.id, company_ids=[Command.set(cls.company.ids)],
        )
        cls.customer = new_test_user(
            cls.env, 'vipps_customer', 'base.group_portal', partner_id=cls.partner.id
        )
        for user in (cls.accountant, cls.salesman):
            user.tz = 'Europe/Oslo'

    def _authorize_order(self, amount=100, **values):
        order = self._create_order(price=amount, user_id=self.salesman.id, **values)
        tx = self._start_order(order)
        self._approve(tx)
        self._refresh(tx)
        return order, tx

    def _do(self, tx, operation, *amount):
        """ Do something in the portal of Vipps MobilePay, and have it read. """
        getattr(self.simulator, operation)(tx.vipps_payment_reference, *amount)
        self._refresh(tx)

    def _post_process(self):
        self.env['payment.transaction'].sudo().search([
            ('state', '=', 'done'), ('is_post_processed', '=', False),
            ('provider_code', '=', 'vipps'),
        ])._finalize_post_processing()

    def _get_status(self, tx):
        """ Return the status as the accountant reads it. """
        self.env.invalidate_all()
        return tx.with_user(self.accountant).vipps_status.replace('\N{NO-BREAK SPACE}', ' ')

    def _get_period(self, tx):
        dates = [
            Datetime.context_timestamp(tx.with_user(self.accountant), date)
            for date in (tx.vipps_guaranteed_until, tx.vipps_capture_deadline)
        ]
        return "It is guaranteed until {}, and can be captured until {}.".format(*(
            date.strftime('%B ') + f'{date.day}, {date.year}' for date in dates
        ))

    def _get_rows(self, timeline):
        """ Return the texts of the cells of a timeline. """
        return [
            [" ".join(cell.text_content().split()) for cell in row.iter('td')]
            for row in html.fromstring(timeline).iter('tr') if row.find('td') is not None
        ]

    def _get_messages(self, record, since=0):
        """ Return the notes on a document, without those that link what was booked. """
        return self.env['mail.message'].search([
            ('model', '=', record._name), ('res_id', '=', record.id), ('id', '>', since),
            ('body', '!=', ''), ('body', 'not ilike', 'has been posted'),
            ('subtype_id', '=', self.env.ref('mail.mt_note').id),
        ], order='id')

    def _get_last_message(self):
        return self.env['mail.message'].search([], order='id desc', limit=1).id

    #=== State in plain words ===#

    def test_the_status_says_what_became_of_a_payment_in_whole_sentences(self):
        tx = self._start(amount=100)
        self.assertEqual(self._get_status(tx), "The customer has not approved the payment yet.")

        self._approve(tx)
        self._refresh(tx)
        until = self._get_period(tx)
        self.assertEqual(self._get_status(tx), f"Reserved: kr 100.00. {until}")

        self._do(tx, 'capture', 4000)
        self.assertEqual(
            self._get_status(tx),
            f"Captured kr 40.00 of kr 100.00. Reserved: kr 60.00. {until}",
        )
        self._do(tx, 'refund', 1000)
        self.assertEqual(
            self._get_status(tx),
            "Captured kr 40.00 of kr 100.00. Refunded kr 10.00 of kr 40.00. Reserved: kr 60.00."
            f" {until}",
        )
        self._do(tx, 'cancel')
        self.assertEqual(
            self._get_status(tx),
            "Captured kr 40.00 of kr 100.00. The rest was released."
            " Refunded kr 10.00 of kr 40.00.",
        )
        self._do(tx, 'refund', 3000)
        self.assertEqual(
            self._get_status(tx),
            "Captured kr 40.00 of kr 100.00. The rest was released."
            " Refunded kr 40.00: the customer got back everything.",
        )

    def test_the_status_of_a_payment_that_was_captured_in_full_says_so(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture')
        self.assertEqual(self._get_status(tx), "Captured in full: kr 100.00")

    def test_the_status_says_why_nothing_was_charged(self):
        for operation, words in (
            ('decline', "cancelled the payment in the app"),
            ('expire', "did not approve the payment in time"),
            ('cancel', "cancelled before the customer approved it"),
        ):
            with self.subTest(operation=operation):
                tx = self._start()
                self._do(tx, operation)
                self.assertIn(words, self._get_status(tx))
                self.assertIn("Nothing was charged.", self._get_status(tx))
        tx = self._authorize()
        self._do(tx, 'cancel')
        self.assertEqual(
            self._get_status(tx), "The reservation was released. Nothing was charged."
        )

    def test_the_status_warns_of_a_deadline_that_has_passed(self):
        tx = self._authorize()
        tx.vipps_guaranteed_until = Datetime.subtract(Datetime.now(), days=1)
        self.assertIn("A capture can still succeed until", self._get_status(tx))
        self.assertIn("do not deliver before it is captured", self._get_status(tx))
        tx.vipps_capture_deadline = Datetime.subtract(Datetime.now(), days=1)
        self.assertIn("The last day of capture was", self._get_status(tx))
        self.assertIn("do not deliver before it is captured", self._get_status(tx))

    def test_the_status_says_that_a_payment_is_captured_by_its_deliveries(self):
        self.vipps.vipps_capture_mode = 'on_delivery'
        self.product.invoice_policy = 'delivery'
        _order, tx = self._authorize_order()
        status = self._get_status(tx)
        self.assertIn("Captured automatically on delivery.", status)
        self.assertIn("It is guaranteed until", status)
        self.assertNotIn("Capture it", status)

    def test_captures_releases_and_refunds_say_what_they_are_and_who_made_them(self):
        tx = self._authorize(amount=100)
        tx.with_user(self.accountant).sudo()._send_capture_request(amount_to_capture=40)
        self._do(tx, 'cancel')
        self._do(tx, 'refund', 1500)
        self.env.invalidate_all()
        capture_tx, release_tx = tx.child_transaction_ids.sorted('id')
        refund_tx = capture_tx.child_transaction_ids
        self.assertEqual(
            [self._get_status(child) for child in (capture_tx, release_tx, refund_tx)],
            [
                f"Captured kr 40.00 of payment {tx.reference}.",
                f"Released kr 60.00 of payment {tx.reference}. It is not charged.",
                f"Refunded kr 15.00 of payment {tx.reference}.",
            ],
        )
        self.assertEqual(
            (capture_tx | refund_tx).mapped('vipps_operator'),
            [self.accountant.name, "Vipps MobilePay portal"],
        )

    def test_an_accountant_sees_all_operations_on_the_form_of_the_payment(self):
        _order, tx = self._authorize_order(amount=100)
        self._do(tx, 'capture', 4000)
        self._do(tx, 'cancel')
        self._do(tx, 'refund', 1500)
        self.env.invalidate_all()
        view = self.env.ref('payment.payment_transaction_form')
        form = Form(tx.with_user(self.accountant), view)
        self.assertEqual(
            form.vipps_operation_ids[:],
            tx._vipps_get_captures() | tx._vipps_get_releases() | tx._vipps_get_refunds(),
        )
        self.assertIn("Refunded", form.vipps_timeline)
        capture_form = Form(tx._vipps_get_captures().with_user(self.accountant), view)
        self.assertEqual(capture_form.vipps_operation_ids[:], tx._vipps_get_refunds())

    #=== Timeline ===#

    def test_the_timeline_tells_what_happened_in_the_order_and_time_of_the_reader(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture', 4000)
        self._do(tx, 'refund', 1000)
        tx.with_user(self.accountant).action_vipps_update()
        log = list(tx.vipps_event_log)
        rows = self._get_rows(tx.with_user(self.accountant).vipps_timeline)
        self.assertEqual(
            [row[1] for row in rows],
            ["Payment started", "Approved by the customer", "Captured", "Refunded"],
        )
        self.assertIn("40.00", rows[2][2])
        self.assertEqual([row[3] for row in rows], [event['psp_reference'] for event in log])
        self.assertEqual(tx.vipps_psp_reference, False, "Each capture has its own.")

        log[0]['time'] = '2026-01-05T23:30:00'
        tx.vipps_event_log = log
        rows = self._get_rows(tx.with_user(self.accountant).vipps_timeline)
        self.assertIn("01/06/2026", rows[0][0])
        self.assertIn("00:30:00", rows[0][0])

    def test_the_timeline_marks_what_did_not_succeed_and_shows_no_codes(self):
        tx = self._authorize()
        tx.vipps_event_log = [
            {'name': name, 'amount': 24950, 'time': '2026-01-05T12:00:00', 'success': success,
             'psp_reference': '<b>psp</b>'}
            for name, success in (('CAPTURED', False), ('CAPTURED', True), ('NEW_EVENT', True))
        ]
        timeline = tx.vipps_timeline
        names = [row[1] for row in self._get_rows(timeline)]
        self.assertEqual(
            names, ["Captured Did not succeed", "Captured", "Something else happened"]
        )
        self.assertNotIn('<b>', timeline)

    #=== Update from Vipps ===#

    def _get_params(self, action):
        self.assertEqual(action['tag'], 'display_notification')
        self.assertEqual(action['params']['next']['tag'], 'soft_reload')
        return action['params']

    def test_an_accountant_updates_a_transaction_and_is_told_what_changed(self):
        tx = self._authorize(amount=100)
        self.simulator.capture(tx.vipps_payment_reference, 4000)
        params = self._get_params(tx.with_user(self.accountant).action_vipps_update())
        self.assertEqual(params['title'], "Something Changed")
        self.assertIn("Captured", params['message'])
        self.assertIn("40.00", params['message'])
        self.assertEqual(tx._vipps_get_captures().amount, 40)

        params = self._get_params(tx.with_user(self.accountant).action_vipps_update())
        self.assertEqual(params['title'], "Nothing Has Changed")

    def test_updating_a_capture_updates_its_payment(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture', 4000)
        self.simulator.cancel(tx.vipps_payment_reference)
        tx._vipps_get_captures().with_user(self.accountant).action_vipps_update()
        self.assertEqual(tx.state, 'done')

    def test_a_salesman_updates_an_order_and_reads_its_payments_without_access_to_them(self):
        order, tx = self._authorize_order(amount=100)
        self.simulator.capture(tx.vipps_payment_reference, 4000)
        order = order.with_user(self.salesman)
        with self.assertRaises(AccessError):
            order.transaction_ids.check_access_rights('read')
        params = self._get_params(order.action_vipps_update())
        self.assertEqual(params['title'], "Something Changed")
        self.env.invalidate_all()
        self.assertEqual(
            (order.vipps_authorized_amount, order.vipps_captured_amount,
             order.vipps_refunded_amount, order.vipps_remaining_amount),
            (100, 40, 0, 60),
        )
        self.assertEqual(order.vipps_capture_deadline, tx.vipps_capture_deadline)
        self.assertEqual(order.vipps_guaranteed_until, tx.vipps_guaranteed_until)
        self.assertIn(tx.reference, order.vipps_status)
        self.assertIn(tx.reference, order.vipps_summary)
        self.assertEqual(len(self._get_rows(order.vipps_timeline)), 3)
        self.assertNotIn('href', order.vipps_summary + order.vipps_timeline)
        self.env.invalidate_all()
        order = order.with_user(self.env.ref('base.user_admin'))
        for value in (order.vipps_summary, order.vipps_timeline):
            self.assertIn(f'id={tx.id}&', value.unescape())

    def test_nobody_updates_a_payment_without_the_right_to_change_its_document(self):
        order, tx = self._authorize_order()
        calls = self.simulator.exchanges
        for user, record in (
            (self.salesman, tx), (self.portal_user, tx), (self.customer, tx),
            (self.other_salesman, order), (self.portal_user, order), (self.customer, order),
        ):
            with self.subTest(user=user.login, model=record._name), \
                    self.assertRaises(AccessError):
                record.with_user(user).action_vipps_update()
        self.assertEqual(self.simulator.exchanges, calls)

    def test_customers_read_their_order_but_nothing_that_is_for_the_staff(self):
        order, _tx = self._authorize_order()
        order.message_subscribe(self.partner.ids)
        order = order.with_user(self.customer)
        self.assertTrue(order.read(['name']))
        for name in ('vipps_status', 'vipps_summary', 'vipps_timeline', 'vipps_captured_amount'):
            with self.subTest(field=name), self.assertRaises(AccessError):
                order.read([name])
        with self.assertRaises(AccessError):
            order.with_user(self.other_salesman).read(['vipps_status'])

    def test_a_payment_that_cannot_be_read_is_told_in_a_sentence(self):
        tx = self._authorize()
        self.simulator.fault('get', 'refuse', code='5090')
        with self.assertRaises(UserError) as error:
            tx.with_user(self.accountant).action_vipps_update()
        self.assertIn("does not know this payment", str(error.exception))
        self.assertNotIn('5090', str(error.exception))

    def test_one_payment_that_cannot_be_read_does_not_keep_the_others_from_being_updated(self):
        order = self._create_order(price=100, user_id=self.salesman.id)
        txs = [self._start_order(order, amount=50) for _i in range(2)]
        for tx in txs:
            self._approve(tx)
        self.simulator.fault(
            'get', 'refuse', code='5090', reference=txs[1].vipps_payment_reference
        )
        params = self._get_params(order.with_user(self.salesman).action_vipps_update())
        self.assertEqual(params['type'], 'warning')
        self.assertIn("does not know this payment", params['message'])
        self.assertEqual([tx.state for tx in txs], ['authorized', 'draft'])

    def test_a_payment_that_was_never_created_is_given_up(self):
        tx = self._create_transaction('redirect')
        self.env.cr.execute(
            "UPDATE payment_transaction SET create_date = create_date - interval '1 hour'"
            " WHERE id = %s", [tx.id],
        )
        tx.invalidate_recordset()
        params = self._get_params(tx.with_user(self.accountant).action_vipps_update())
        self.assertIn("The payment was cancelled.", params['message'])
        self.assertEqual(tx.state, 'cancel')

    def test_payments_are_updated_while_the_provider_is_disabled(self):
        order, tx = self._authorize_order()
        self.simulator.capture(tx.vipps_payment_reference)
        self.vipps.state = 'disabled'
        order.with_user(self.salesman).action_vipps_update()
        self.assertEqual(tx.state, 'done')

    #=== Order ===#

    def test_several_payments_of_an_order_have_a_sentence_each_and_a_sum(self):
        order = self._create_order(price=100, user_id=self.salesman.id)
        txs = [self._start_order(order, amount=amount) for amount in (30, 70)]
        for tx in txs:
            self._approve(tx)
            self._refresh(tx)
        self._do(txs[0], 'capture')
        self.env.invalidate_all()
        order = order.with_user(self.salesman)
        self.assertEqual(
            (order.vipps_authorized_amount, order.vipps_captured_amount,
             order.vipps_remaining_amount),
            (100, 30, 70),
        )
        newest, oldest = order.vipps_status.splitlines()
        self.assertTrue(newest.startswith(txs[1].reference + ": Reserved"))
        self.assertTrue(oldest.startswith(txs[0].reference + ": Captured"))

    def test_payments_in_several_currencies_have_no_sum(self):
        order = self._create_order(price=100, user_id=self.salesman.id)
        txs = [self._start_order(order, amount=amount) for amount in (30, 70)]
        for tx in txs:
            self._approve(tx)
            self._refresh(tx)
        txs[1].currency_id = self.currency_dkk
        order = order.with_user(self.salesman)
        self.assertFalse(order.vipps_currency_id)
        self.assertEqual(order.vipps_authorized_amount, 0)
        self.assertEqual(len(order.vipps_status.splitlines()), 2)

    def test_the_order_says_where_the_link_in_the_app_leads(self):
        order, tx = self._authorize_order()
        for link, label in ((False, False), ('order', "Order"),
                            ('delivery', "Tracking of the delivery")):
            tx.vipps_app_link = link
            self.assertEqual(order.with_user(self.salesman).vipps_app_link, label)

    def test_a_difference_is_shown_on_the_order(self):
        order, tx = self._authorize_order()
        tx.vipps_difference = "Captured at Vipps MobilePay: 1, in Odoo: 2"
        self.assertIn(
            "Captured at Vipps MobilePay: 1", order.with_user(self.salesman).vipps_status
        )

    def test_the_form_of_an_order_shows_the_page_only_with_a_payment(self):
        order, _tx = self._authorize_order()
        Order = self.env['sale.order'].with_user(self.salesman)
        arch = etree.fromstring(Order.get_view(view_type='form')['arch'])
        page = arch.find('.//page[@name="vipps"]')
        self.assertEqual(page.get('invisible'), 'not vipps_status')
        with Form(order.with_user(self.salesman)) as form:
            self.assertTrue(form.vipps_status)
        with Form(self._create_order(user_id=self.salesman.id).with_user(self.salesman)) as form:
            self.assertFalse(form.vipps_status)
            self.assertFalse(form.vipps_timeline)

    def test_transactions_of_other_providers_show_nothing_of_ours(self):
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, reference="Other", state='done',
            payment_method_id=self.payment_method.id,
        )
        tx = tx.with_user(self.accountant)
        self.assertFalse(tx.vipps_status)
        self.assertFalse(tx.vipps_is_refundable)
        form = Form(tx, view=self.env.ref('payment.payment_transaction_form'))
        self.assertFalse(form.vipps_status)

    #=== Refund ===#

    def test_an_accountant_refunds_from_the_transaction(self):
        tx = self._authorize(amount=100)
        self.assertFalse(tx.with_user(self.accountant).vipps_is_refundable)
        self._do(tx, 'capture')
        self._post_process()
        tx = tx.with_user(self.accountant)
        self.env.invalidate_all()
        self.assertTrue(tx.vipps_is_refundable)
        action = tx.action_vipps_refund()
        wizard = self.env[action['res_model']].with_user(self.accountant).with_context(
            **action['context']
        ).create({'amount_to_refund': 25})
        self.assertEqual(wizard.payment_id, tx.payment_id)
        wizard.action_refund()
        self.assertEqual(self._get_aggregate(tx)['refunded'], 2500)

    def test_the_capture_to_refund_is_chosen_when_there_are_several(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture', 4000)
        self._do(tx, 'capture', 5000)
        self._post_process()
        captures = tx._vipps_get_captures()
        action = tx.with_user(self.accountant).action_vipps_refund()
        self.assertEqual(action['res_model'], 'account.payment')
        self.assertEqual(self.env['account.payment'].search(action['domain']), captures.payment_id)
        action = captures[1].with_user(self.accountant).action_vipps_refund()
        self.assertEqual(action['context']['active_id'], captures[1].payment_id.id)

    def test_there_is_nothing_to_refund_of_what_is_reserved_or_refunded(self):
        tx = self._authorize(amount=100)
        with self.assertRaises(UserError):
            tx.with_user(self.accountant).action_vipps_refund()
        self._do(tx, 'capture')
        self._do(tx, 'refund')
        self._post_process()
        with self.assertRaises(UserError):
            tx.with_user(self.accountant).action_vipps_refund()

    def test_salesmen_do_not_refund(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture')
        with self.assertRaises(AccessError):
            tx.with_user(self.salesman).action_vipps_refund()

    #=== Chatter ===#

    def test_each_operation_is_written_once_to_the_order_with_who_did_it(self):
        order, tx = self._authorize_order(amount=100)
        since = self._get_last_message()
        sudo_tx = tx.with_user(self.salesman).sudo()
        sudo_tx._send_capture_request(amount_to_capture=40)
        sudo_tx._send_void_request(amount_to_void=60)
        messages = self._get_messages(order, since)
        self.assertEqual([m.author_id for m in messages], 2 * [self.salesman.partner_id])
        bodies = [html.fromstring(m.body).text_content() for m in messages]
        self.assertIn("Captured", bodies[0])
        self.assertIn("40.00", bodies[0])
        self.assertIn("Released", bodies[1])
        self.assertIn("60.00", bodies[1])

    def test_a_refund_is_written_once_to_the_invoice_with_who_did_it(self):
        invoice = self._create_invoice(100)
        tx = self._start_invoice(invoice)
        self._approve(tx)
        self._refresh(tx)
        self._do(tx, 'capture')
        self._post_process()
        since = self._get_last_message()
        tx.with_user(self.accountant).sudo()._send_refund_request(amount_to_refund=25)
        message = self._get_messages(invoice, since)
        self.assertEqual(message.author_id, self.accountant.partner_id)
        self.assertIn("Refunded", message.body)
        self.assertIn("25.00", message.body)

    def test_what_was_done_in_the_portal_is_not_laid_at_the_door_of_who_reads_it(self):
        order, tx = self._authorize_order(amount=100)
        since = self._get_last_message()
        self.simulator.capture(tx.vipps_payment_reference, 4000)
        order.with_user(self.salesman).action_vipps_update()
        message = self._get_messages(order, since)
        self.assertEqual(message.author_id, self.env.ref('base.partner_root'))
        self.assertIn("in the Vipps MobilePay portal", message.body)

    def test_a_release_in_the_portal_is_not_laid_at_the_door_of_who_reads_it(self):
        for by_order in (True, False):
            with self.subTest(by_order=by_order):
                order, tx = self._authorize_order(amount=100)
                self._do(tx, 'capture', 4000)
                since = self._get_last_message()
                self.simulator.cancel(tx.vipps_payment_reference)
                if by_order:
                    order.with_user(self.salesman).action_vipps_update()
                else:
                    tx.with_user(self.accountant).action_vipps_update()
                bot = self.env.ref('base.partner_root')
                self.assertEqual(self._get_messages(order, since).author_id, bot)
                self.assertEqual(tx._vipps_get_releases().vipps_operator, bot.name)

    def test_what_the_customer_did_is_written_in_the_name_of_the_customer(self):
        order = self._create_order(price=100)
        tx = self._start_order(order)
        self._approve(tx)
        since = self._get_last_message()
        tx.with_user(self.public_user).sudo()._vipps_sync()
        message = self._get_messages(order, since).filtered(lambda m: tx.reference in m.body)
        self.assertEqual(message.author_id, self.partner)
        self.assertIn("The customer approved payment", message.body)

    def test_a_capture_while_the_customer_waits_is_not_written_in_the_name_of_the_customer(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order(price=100)
        tx = self._start_order(order)
        self._approve(tx)
        since = self._get_last_message()
        tx.with_user(self.public_user).sudo()._vipps_sync()
        messages = self._get_messages(order, since).filtered(lambda m: "Captured" in m.body)
        self.assertEqual(messages.author_id, self.env.ref('base.partner_root'))

    def test_the_chatter_is_in_the_language_of_the_company_and_not_of_the_customer(self):
        self.env['res.lang']._activate_lang('fr_FR')
        self.env['ir.module.module']._load_module_terms(['payment', 'sale'], ['fr_FR'])
        self.partner.lang = 'fr_FR'
        order, tx = self._authorize_order()
        self._do(tx, 'cancel')
        message = self._get_messages(order)[-1]
        self.assertIn("100.00", message.body, "In French it is written 100,00.")
