# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from odoo import SUPERUSER_ID
from odoo.tests import tagged

from ..http_common import CheckoutCommon
from ..pos_common import PosCommon


@tagged('post_install', '-at_install')
class TestPosOnlinePayment(CheckoutCommon, PosCommon):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # From here on `session` is the one of the browser.
        cls.till_session, cls.session = cls.session, None

    def _start_online_payment(self, **values):
        """ Return an order of the till whose customer pays on the page that a code opens. """
        online_method = self.env['pos.payment.method']._get_or_create_online_payment_method(
            self.company.id, self.config.id
        )
        self.assertTrue(self._close(self.till_session)['successful'])
        self.config.payment_method_ids |= online_method
        session = self._open_session(self.config)
        order = self._save_draft(self._prepare_ui_order(
            45, session=session, payments=[], partner_id=self.partner.id, **values
        ))
        token = order._portal_ensure_token()
        page = self.url_open(f'/pos/pay/{order.id}?access_token={token}')
        self.assertIn(self.method_vipps.name, page.text)
        tx = self._start_checkout(
            f'/pos/pay/transaction/{order.id}',
            self._prepare_params(amount=45, landing_route='/pos/pay', access_token=token),
        )
        self._approve(tx)
        return order, tx, session

    def test_a_customer_pays_an_order_of_the_till_on_the_web_page_beside_the_terminal(self):
        order, tx, session = self._start_online_payment()
        self._return(tx)
        confirmation = self.url_open(tx.landing_route)
        self.assertIn(tx.reference, confirmation.text)
        self.assertEqual(tx.pos_order_id, order)
        self.assertFalse(tx.vipps_pos_session_id)
        self._capture(tx)
        tx.with_user(SUPERUSER_ID)._finalize_post_processing()
        self.env.invalidate_all()
        self.assertEqual((order.state, order.amount_paid), ('paid', 45))
        self.assertEqual(order.payment_ids.online_account_payment_id, tx.payment_id)
        self.assertTrue(self._close(session)['successful'])

    def test_payments_of_an_order_of_the_till_are_limited(self):
        order, _tx, _session = self._start_online_payment()
        requests = self.env['vipps.request'].sudo()
        key = requests._hash(f'document {order}')
        self.assertEqual(requests.search_count([('key', '=', key)]), 1)

    def _check_page(self, state):
        order, tx, _session = self._start_online_payment(to_invoice=True)
        self.url_open(self._get_return_url(tx), allow_redirects=False)
        sent = []
        with patch.object(
            type(self.env['account.move']), '_generate_pdf_and_send_invoice',
            lambda invoice, *args, **kwargs: sent.extend(invoice.ids),
        ):
            self.assertIn(tx.reference, self.url_open(tx.landing_route).text)
            self.env.invalidate_all()
            self.assertEqual((tx.state, order.state), (state, 'draft'))
            self.assertFalse(tx.payment_id)
            self._follow_up()
            self.assertEqual((order.state, order.amount_paid), ('invoiced', 45))
            self.assertEqual(order.account_move.payment_state, 'paid')
            self.assertFalse(sent)
            self._follow_up(with_mails=True)
            self.assertEqual(sent, order.account_move.ids)
        self._follow_up(with_mails=True)
        self.assertEqual(order.amount_paid, 45)

    def test_the_page_leaves_books_and_invoice_of_a_reservation_to_the_jobs(self):
        self._check_page('authorized')

    def test_the_page_leaves_books_and_invoice_of_a_capture_to_the_jobs(self):
        self.vipps.vipps_capture_mode = 'automatic'
        self._check_page('done')

    def test_an_order_is_paid_without_a_customer_who_comes_back(self):
        order, tx, _session = self._start_online_payment()
        self._refresh(tx)
        self.assertEqual((tx.state, order.state), ('authorized', 'paid'))
