# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


from odoo.exceptions import UserError
from odoo.tests import tagged

from .test_setup_guide import SetupGuideCommon


@tagged('post_install', '-at_install')
class TestSetupGuidePayment(SetupGuideCommon):
    """ The test payment. """

    def test_new_test_payment_takes_the_place_of_the_open_one(self):
        guide = self._start_test_payment()
        first_tx = guide.sudo().transaction_id
        guide = self._get_shown(guide.action_start_payment())
        second_tx = guide.sudo().transaction_id
        self.assertNotEqual(first_tx, second_tx)
        self.assertEqual(self._get_payment(first_tx)['state'], 'TERMINATED')
        self.assertEqual((first_tx.state, first_tx.sale_order_ids.state), ('cancel', 'cancel'))
        self.assertEqual(second_tx.sale_order_ids.state, 'draft')

    def test_aborted_test_payment_is_explained_and_its_order_cancelled(self):
        guide = self._start_test_payment()
        tx = guide.sudo().transaction_id
        self.simulator.decline(tx.vipps_payment_reference)
        status = self._follow(guide)
        self.assertTrue(status['is_final'])
        self.assertIn("cancelled in the app", status['problem'])
        self.assertEqual(tx.sale_order_ids.state, 'cancel')
        self.assertFalse(status['url'] or status['qr'])

    def test_wrong_market_is_found_by_the_test_payment(self):
        guide = self._get_shown(self._go_to_payment(market='DK').action_start_payment())
        self.assertIn("currency", guide.payment_problem)
        self.assertFalse(guide.sudo().transaction_id)
        self.assertFalse(self.env['sale.order'].search(
            [('partner_id', '=', self.administrator.partner_id.id)]
        ))

    def test_test_payment_without_a_journal_says_so(self):
        guide = self._go_to_payment()
        self.vipps.journal_id.active = False
        guide = self._get_shown(guide.action_start_payment())
        self.assertIn("journal", guide.payment_problem)

    def test_lost_answer_leaves_one_payment_and_no_open_order(self):
        guide = self._go_to_payment()
        self.simulator.fault(operation='create', kind='lost', times=None)
        with self._without_pauses():
            guide = self._get_shown(guide.action_start_payment())
        tx = guide.sudo().transaction_id
        self.assertFalse(tx.vipps_redirect_url)
        self.simulator.clear_faults()
        guide = self._get_shown(guide.action_start_payment())
        self.assertEqual(tx.sale_order_ids.state, 'cancel')

    def test_money_is_given_back_and_the_order_cancelled(self):
        guide = self._start_test_payment()
        tx = guide.sudo().transaction_id
        with self.assertRaisesRegex(UserError, "no test payment"):
            guide.action_refund_payment()
        self._approve(tx)
        self._follow(guide)
        guide = self._get_shown(guide.action_refund_payment())
        self.assertEqual(guide.payment_state, 'refunded')
        self.assertEqual(self._get_aggregate(tx)['refunded'], 200)
        self.assertEqual(tx.sale_order_ids.state, 'cancel')
        self.assertEqual(tx._vipps_get_refunds().payment_id.state, 'posted')

    def test_product_of_test_payments_is_made_once_and_never_offered(self):
        guide = self._start_test_payment()
        guide.action_start_payment()
        products = self.env['product.product'].with_context(active_test=False).search(
            [('default_code', '=', 'VIPPS-TEST')]
        )
        self.assertEqual(products.mapped('active'), [False])
