# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree, html

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..staff_common import StaffCommon

TX_LOGGER = 'odoo.addons.mobilepay_vipps.models.transaction.difference'


@tagged('post_install', '-at_install')
class TestCustomerService(StaffCommon):
    """ Updates and refunds by people, and the notes about all operations on the documents. """

    def _post_process(self):
        self.env['payment.transaction'].sudo().search([
            ('state', '=', 'done'), ('is_post_processed', '=', False),
            ('provider_code', '=', 'vipps'),
        ])._finalize_post_processing()

    def _get_messages(self, record, since=0):
        """ Return the notes on a document, without those that link what was booked. """
        return self.env['mail.message'].search([
            ('model', '=', record._name), ('res_id', '=', record.id), ('id', '>', since),
            ('body', '!=', ''), ('body', 'not ilike', 'has been posted'),
            ('subtype_id', '=', self.env.ref('mail.mt_note').id),
        ], order='id')

    def _get_last_message(self):
        return self.env['mail.message'].search([], order='id desc', limit=1).id

    def _get_params(self, action):
        self.assertEqual(action['tag'], 'display_notification')
        self.assertEqual(action['params']['next']['tag'], 'soft_reload')
        return action['params']

    #=== Update from Vipps ===#

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

    def test_an_update_that_finds_a_difference_is_no_success(self):
        tx = self._authorize(amount=100)
        self.simulator.fault('get', 'tampered', times=None, value=100)
        for title in ("Something Changed", "Nothing Has Changed"):
            with self.subTest(title=title), mute_logger(TX_LOGGER):
                params = self._get_params(tx.with_user(self.accountant).action_vipps_update())
                self.assertEqual((params['title'], params['type']), (title, 'warning'))
                self.assertIn("do not agree", params['message'])

    #=== Dialogs ===#

    def _read_labels(self, action, user):
        """ Return the title of a dialog, and the labels in it by the field or the button. """
        self.assertEqual(action['target'], 'new')
        view = self.env[action['res_model']].with_user(user).get_view(
            action['view_id'], action['view_mode']
        )
        # It says on which amounts the person decides.
        self.assertIn('name="vipps_seen_amounts"', view['arch'])
        return action['name'], {
            node.get('name'): node.get('string')
            for node in etree.fromstring(view['arch']).xpath('//*[@name][@string]')
        }

    def test_payments_are_captured_in_our_words(self):
        order, _tx = self._authorize_order()
        title, labels = self._read_labels(
            order.with_user(self.salesman).payment_action_capture(), self.salesman
        )
        self.assertEqual(title, "Capture")
        self.assertEqual(labels, {
            'authorized_amount': "Reserved", 'captured_amount': "Already Captured",
            'voided_amount': "Already Released", 'amount_to_capture': "Amount to Capture",
            'void_remaining_amount': "Release the Rest", 'action_capture': "Capture the Amount",
        })

    def test_captures_are_refunded_in_our_words(self):
        tx = self._authorize(amount=100)
        self._do(tx, 'capture')
        self._post_process()
        title, labels = self._read_labels(
            tx.with_user(self.accountant).action_vipps_refund(), self.accountant
        )
        self.assertEqual(title, "Refund")
        self.assertEqual(labels, {
            'payment_amount': "Captured", 'refunded_amount': "Refunded",
            'amount_available_for_refund': "Left to Refund",
            'amount_to_refund': "Amount to Refund", 'action_refund': "Refund",
        })

    def test_dialogs_of_other_payments_keep_the_words_of_core(self):
        for model, label in (
            ('payment.capture.wizard', "Already Released"), ('payment.refund.wizard', "Left to"),
        ):
            self.assertNotIn(label, self.env[model].get_view(view_type='form')['arch'])

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
