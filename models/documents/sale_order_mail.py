# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from ...source import Fact
from ..jobs.own_transaction import in_own_transaction


class SaleOrder(models.Model):
    """ The mails about orders that were paid: none is rendered or sent while a payment is dealt
    with, and of those that render documents at most one hangs at a time. """
    _inherit = 'sale.order'

    vipps_mail_template_id = fields.Many2one(
        comodel_name='mail.template',
        help="The mail about the order that is about to be sent.",
        ondelete='set null',
        copy=False,
        readonly=True,
    )

    #=== BUSINESS METHODS - SCHEDULING ===#

    def _send_order_notification_mail(self, mail_template):
        """ Override of `sale_async_emails` to send mails of orders that were paid with Vipps
        MobilePay always later, and one of them for one purchase: the confirmation. """
        self.ensure_one()
        is_sent_now = isinstance(self.env.context.get('vipps_is_mail_task'), Fact)
        tx = self._vipps_get_approved_payments()[:1]
        if not mail_template or is_sent_now or not tx or not self.env.ref(
            'sale_async_emails.cron', raise_if_not_found=False
        ):
            return super()._send_order_notification_mail(mail_template)
        if self.env.context.get('is_async_email'):
            # Core sends one after the other, and has found an order that was paid meanwhile.
            return self._vipps_queue_mail(mail_template, tx)

        pending_template = self.vipps_mail_template_id or self.pending_email_template_id
        executed_template = self.env.ref(
            'sale.mail_template_sale_payment_executed', raise_if_not_found=False
        )
        if not pending_template or mail_template != executed_template:
            self.pending_email_template_id = mail_template
        self.env['vipps.task']._schedule(tx, 'order_mail')

    def _send_payment_succeeded_for_order_mail(self):
        """ Override of `sale` not to send a second mail for one purchase, when the customer had a
        mail about the payment at its approval. """
        told_orders = self._vipps_filter_paid().filtered(
            lambda order: order._vipps_is_payment_told()
        )
        return super(SaleOrder, self - told_orders)._send_payment_succeeded_for_order_mail()

    def _vipps_is_payment_told(self):
        """ Return whether the customer had a mail about all payments that are about to be booked.
        """
        txs = self.transaction_ids.sudo().filtered(
            lambda t: t.state == 'done' and not t.is_post_processed
        )
        return bool(txs) and all(tx._vipps_get_told('order_mail') for tx in txs)

    def _vipps_get_approved_payments(self):
        """ Return the transactions of Vipps MobilePay that are approved, the newest first. """
        return self._vipps_filter_paid().sudo().transaction_ids.filtered(
            lambda t: t.provider_code == 'vipps' and t.state in ('authorized', 'done')
        ).sorted('id', reverse=True)

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_send_pending_emails(self, auto_commit=True):
        """ Override of `sale_async_emails` to send the mails of orders that were paid with Vipps
        MobilePay first, each in a database transaction of its own. A mail that hangs when it is
        rendered comes last from then on, and is not among those that core sends one after the
        other.

        They are given to Odoo's queue of mails: a mail server that hangs keeps one worker waiting,
        and not this one, too. """
        self.env['vipps.task']._send_mails()
        if not auto_commit:
            return super()._cron_send_pending_emails(auto_commit=False)
        # The present database transaction does not see that ours are sent.
        return in_own_transaction(
            self.env.registry,
            lambda env: super(SaleOrder, self.with_env(
                env(user=self.env.uid, su=self.env.su)
            ))._cron_send_pending_emails(),
            self.env.context,
        )

    @api.model
    def _vipps_queue_mails(self):
        """ Take pending mails of orders that were paid with Vipps MobilePay out of core's list. """
        for order in self.search([('pending_email_template_id', '!=', False)]):
            tx = order._vipps_get_approved_payments()[:1]
            if tx:
                order._vipps_queue_mail(order.pending_email_template_id, tx)

    def _vipps_queue_mail(self, mail_template, tx):
        """ Take the pending mail out of core's list, for a task of the payment to send it. """
        self.write({
            'vipps_mail_template_id': mail_template.id,
            'pending_email_template_id': False,
        })
        tasks = self.env['vipps.task']
        if not tasks._get_scheduled(tx, 'order_mail'):
            tasks._schedule(tx, 'order_mail')

    def _vipps_send_mail(self):
        """ Render the mail that is to be sent about the order, for Odoo's queue of mails. """
        self.with_context(
            is_async_email=True, vipps_is_mail_task=Fact(True)
        )._send_order_notification_mail(self.vipps_mail_template_id)
        self.vipps_mail_template_id = False

    #=== BUSINESS METHODS - PORTAL ===#

    def _has_to_be_paid(self):
        """ Override of `sale` not to ask customers to pay again while an order whose payment they
        approved is not confirmed yet. """
        return super()._has_to_be_paid() and not (
            self._vipps_get_approved_payments() and self._is_confirmation_amount_reached()
        )
