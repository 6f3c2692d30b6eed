# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from ..delivery_common import DeliveryCommon


@tagged('post_install', '-at_install')
class TestDeletedDocument(DeliveryCommon):
    """ Payments whose order or invoice is deleted. """

    def test_a_reservation_is_released_when_its_order_is_deleted(self):
        for mode in ('manual', 'on_delivery'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                order = self._create_order(require_payment=False, order_line=[
                    self._line(self.sweater, 2)
                ])
                tx = self._start_order(order, 100)
                self._approve(tx)
                tx._vipps_sync()
                self.assertEqual((tx.state, order.state), ('authorized', 'draft'))
                order.unlink()
                self._settle()
                self.assertSums(tx, 0, 0)

    def test_a_reservation_is_released_when_its_cancelled_order_is_deleted_at_once(self):
        self.vipps.vipps_capture_mode = 'manual'
        tx = self._buy()
        tx.sale_order_ids._action_cancel()
        tx.sale_order_ids.unlink()
        self._settle()
        self.assertSums(tx, 0, 0)

    def test_a_reservation_is_released_when_its_invoice_is_deleted(self):
        for cancels in (False, True):
            with self.subTest(cancels=cancels):
                self.vipps.vipps_capture_mode = 'manual'
                invoice = self._create_invoice()
                tx = self._start_invoice(invoice)
                self._approve(tx)
                tx._vipps_sync()
                invoice.button_draft()
                if cancels:
                    invoice.button_cancel()
                invoice.with_context(force_delete=True).unlink()
                self._settle()
                self.assertSums(tx, 0, 0)

    def test_a_payment_whose_document_is_deleted_while_it_is_made_is_released(self):
        for mode in ('manual', 'automatic', 'on_delivery'):
            for model in ('order', 'invoice'):
                with self.subTest(mode=mode, model=model):
                    self.vipps.vipps_capture_mode = mode
                    document = getattr(self, f'_create_{model}')()
                    tx = getattr(self, f'_start_{model}')(document)
                    if model == 'invoice':
                        document.button_draft()
                    document.with_context(force_delete=True).unlink()
                    self._approve(tx)
                    tx._vipps_sync()
                    self.assertEqual(tx.state, 'cancel')
                    self.assertSums(tx, 0, 0)
                    self.assertFalse(self._get_calls('capture', tx))

    def test_a_payment_link_without_a_document_is_captured_at_once(self):
        for mode in ('automatic', 'on_delivery'):
            with self.subTest(mode=mode):
                self.vipps.vipps_capture_mode = mode
                self.assertSums(self._authorize(), 24950, 0)

    def test_what_was_captured_for_a_deleted_order_is_proposed_to_be_refunded(self):
        self.vipps.vipps_capture_mode = 'automatic'
        order = self._create_order(1000, require_payment=False)
        tx = self._start_order(order, 249.5)
        self._approve(tx)
        tx._vipps_sync()
        tx._finalize_post_processing()
        self.assertEqual(order.state, 'draft')
        order.unlink()
        self._settle()
        activity = self._get_activities()
        self.assertIn("249.50", activity.note)
        self.assertIn("deleted", activity.note)
        self._refund(tx.payment_id)
        self._settle()
        self.assertFalse(self._get_activities())
