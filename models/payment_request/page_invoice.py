# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, fields, models
from odoo.fields import Command

from ..jobs.task import DONE, FOLLOW_UP, KINDS, KINDS_BY_JOB, LATER

KINDS['page_invoice'] = (FOLLOW_UP, timedelta(minutes=1), timedelta(hours=1))
KINDS_BY_JOB[FOLLOW_UP] += ('page_invoice',)


class VippsTask(models.Model):
    """ The task that books payments of payment pages by their purpose. """
    _inherit = 'vipps.task'

    kind = fields.Selection(
        selection_add=[('page_invoice', "Make Invoice")], ondelete={'page_invoice': 'cascade'},
    )


class PaymentTransaction(models.Model):
    """ Payments whose amount the payer entered. """
    _inherit = 'payment.transaction'

    vipps_page_id = fields.Many2one(
        string="Payment Page", comodel_name='vipps.payment.page', copy=False, readonly=True,
        ondelete='restrict', index='btree_not_null',
        groups='account.group_account_invoice,base.group_system',
    )

    #=== BUSINESS METHODS ===#

    def _create_payment(self, **extra_create_values):
        """ Override of `account_payment` to make the invoice of a payment page later: the payment
        is booked, whatever is wrong with its product. """
        payment = super()._create_payment(**extra_create_values)
        for tx in self.filtered(lambda tx: tx.sudo().vipps_page_id and tx.amount > 0):
            self.env['vipps.task']._schedule(tx, 'page_invoice')
        return payment

    def _vipps_do_page_invoice(self):
        """ Make the invoice of a payment page, on the day of the payment. Posting matches the two.
        """
        if self.invoice_ids or self.amount <= 0:
            return DONE
        if not self.payment_id or self.payment_id.state != 'posted':
            return LATER
        page = self.vipps_page_id
        line_values = {
            'product_id': page.product_id.id,
            'name': page.name,
            'quantity': 1,
            'price_unit': self.amount,
        }
        if not page._get_taxes():
            line_values['tax_ids'] = [Command.clear()]  # Not those of the account.
        invoice = self.env['account.move'].create({
            'move_type': 'out_invoice',
            'company_id': self.company_id.id,
            'partner_id': page.partner_id.id,
            'currency_id': self.currency_id.id,
            'invoice_date': self.payment_id.date,
            'ref': self.reference,
            'transaction_ids': [Command.link(self.id)],
            'invoice_line_ids': [Command.create(line_values)],
        })
        # The taxes may have been changed since the page was made.
        if self.currency_id.compare_amounts(invoice.amount_total, self.amount):
            raise page._prepare_tax_refusal()
        invoice.action_post()
        return DONE

    def _vipps_fail_task(self, kind, problem):
        """ Override to report an invoice or a payment request that could not be made. """
        if kind in ('page_invoice', 'push', 'withdraw'):
            self.provider_id._vipps_alert_administrator(
                'follow_up', problem or _("Something went wrong in Odoo. Its log says what."), self,
            )
            return
        super()._vipps_fail_task(kind, problem)

    def _vipps_get_document_name(self):
        """ Override to name the purpose of a payment without a document. """
        return super()._vipps_get_document_name() or self.sudo().vipps_page_id.name or ''
