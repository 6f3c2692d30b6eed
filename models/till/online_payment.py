# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from ...source import Fact
from ..transaction.follow_up import FOLLOWING_TASKS


class PaymentTransaction(models.Model):
    """ Payments for orders of tills on core's page, which customers open with a QR code. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS ===#

    def _set_authorized(self, *args, **kwargs):
        """ Override of `payment` to put approved online payments into the orders of tills without a
        customer who opens core's page. """
        result = super()._set_authorized(*args, **kwargs)
        self.filtered(lambda tx: tx.provider_code == 'vipps')._process_pos_online_payment()
        return result

    def _process_pos_online_payment(self):
        """ Override of `pos_online_payment` to leave the work of the customer's page to the job,
        and to send invoices later: a document can hang. """
        own_txs = self.filtered(lambda tx: tx.provider_code == 'vipps' and tx.pos_order_id)
        super(PaymentTransaction, self - own_txs)._process_pos_online_payment()
        if isinstance(self.env.context.get('vipps_is_page'), Fact):
            for state, kind in FOLLOWING_TASKS.items():
                self.env['vipps.task']._schedule(
                    own_txs.filtered(lambda tx, state=state: tx.state == state), kind
                )
            return
        for tx in own_txs.with_context(generate_pdf=False):
            had_invoice = bool(tx.pos_order_id.account_move)
            super(PaymentTransaction, tx)._process_pos_online_payment()
            if not had_invoice and tx.pos_order_id.account_move:
                self.env['vipps.task']._schedule(tx, 'invoice_mail')

    def _vipps_do_invoice_mail(self):
        """ Override to send the invoice of an order of a till, too. """
        invoice = self.pos_order_id.account_move - self.invoice_ids  # Core sends the others.
        if invoice and not invoice.is_move_sent:
            invoice._generate_pdf_and_send_invoice(self.env.ref(invoice._get_mail_template()))
        return super()._vipps_do_invoice_mail()


class PosOrder(models.Model):
    _inherit = 'pos.order'

    def get_and_set_online_payments_data(self, next_online_payment_amount=False):
        """ Override of `pos_online_payment` to keep the draft: an order that is not paid online is
        deleted otherwise, to be created again. """
        if next_online_payment_amount == 0 and self._vipps_get_attempts()._vipps_filter_unsettled():
            next_online_payment_amount = False
        return super().get_and_set_online_payments_data(next_online_payment_amount)


class VippsRequest(models.Model):
    _inherit = 'vipps.request'

    def _get_documents(self, tx):
        """ Override to limit how often payments of an order of a till are started. """
        return [*super()._get_documents(tx), *tx.pos_order_id._origin]
