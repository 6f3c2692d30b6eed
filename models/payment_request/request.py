# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid

from markupsafe import Markup

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.fields import NO_ACCESS, Command
from odoo.tools import format_amount, format_date

from .payable import MODELS_BY_LETTER

MODELS_BY_LETTER['r'] = 'vipps.payment.request'


class VippsPaymentRequest(models.Model):
    """ A request to a customer to pay invoices: a push message to the phone, or a mail with the
    page on which all of them are paid at once. """
    _name = 'vipps.payment.request'
    _inherit = ['vipps.payable']
    _description = "Vipps MobilePay Payment Request"
    _order = 'id desc'

    partner_id = fields.Many2one(
        string="Customer", comodel_name='res.partner', required=True, readonly=True,
        ondelete='restrict', index=True,
    )
    company_id = fields.Many2one(
        string="Company", comodel_name='res.company', required=True, readonly=True,
    )
    currency_id = fields.Many2one(
        string="Currency", comodel_name='res.currency', required=True, readonly=True,
    )
    invoice_ids = fields.Many2many(
        string="Invoices", comodel_name='account.move', relation='vipps_payment_request_move_rel',
        readonly=True,
    )
    amount = fields.Monetary(
        string="Amount", help="What was left to pay when it was sent.", readonly=True,
    )
    channel = fields.Selection(
        string="Sent As", selection=[('push', "Push message"), ('mail', "Mail")], required=True,
        readonly=True,
    )
    state = fields.Selection(
        string="State",
        selection=[('waiting', "To be sent"), ('sent', "Sent"), ('dropped', "Not needed")],
        required=True,
        readonly=True, default='waiting',
    )
    is_reminder = fields.Boolean(string="Reminder", readonly=True)
    reason = fields.Char(
        string="Note", help="Why a mail was sent in place of a push message.", readonly=True,
    )
    user_id = fields.Many2one(
        string="Sent By", comodel_name='res.users', readonly=True, ondelete='set null',
    )
    transaction_id = fields.Many2one(
        string="Payment", comodel_name='payment.transaction', readonly=True, ondelete='set null',
        groups='account.group_account_invoice',
    )
    access_token = fields.Char(
        default=lambda self: str(uuid.uuid4()), required=True, copy=False, groups=NO_ACCESS,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('invoice_ids')
    def _compute_display_name(self):
        for request in self:
            request.display_name = request._vipps_get_names()

    #=== BUSINESS METHODS - PAYMENT PAGE ===#

    def _portal_ensure_token(self):
        return self.sudo().access_token

    def _vipps_get_names(self):
        """ Return the numbers of the invoices. """
        return ", ".join(self.sudo().invoice_ids.mapped('name')) or _("Deleted invoices")

    def _vipps_get_own_invoices(self):
        """ Return the invoices that are still what the customer was asked for: they can be reset to
        draft, and posted again for somebody else or in another currency. """
        customer = self.partner_id.commercial_partner_id
        return self.invoice_ids._origin.filtered(lambda move: move.state == 'posted' and (
            move.company_id, move.commercial_partner_id, move.currency_id
        ) == (self.company_id, customer, self.currency_id))

    def _vipps_get_open_invoices(self):
        """ Return the invoices on which something is left to pay. """
        return self._vipps_get_own_invoices().filtered(lambda move: move._vipps_is_code_due())

    def _vipps_get_closed_state(self):
        """ Override of `vipps.payable`. """
        moves = self._vipps_get_own_invoices()
        if moves:
            is_credited = all(move.payment_state == 'reversed' for move in moves)
            return 'credited' if is_credited else None
        is_draft = any(move.state == 'draft' for move in self.invoice_ids)
        return 'draft' if is_draft else 'cancelled'

    def _vipps_get_amount_to_pay(self):
        """ Override of `vipps.payable`. """
        moves = self._vipps_get_open_invoices()
        return sum(moves.mapped('amount_residual')) - (
            self.env['payment.transaction']._vipps_get_held_invoice_amount(moves)
        )

    def _vipps_get_amount_due_now(self, amount):
        """ Override of `vipps.payable` to ask for the installments that are due. Payments that are
        not booked yet pay the first ones. """
        moves = self._vipps_get_open_invoices()
        today = fields.Date.context_today(self)
        return amount - sum(moves.mapped('amount_residual')) + sum(
            line.amount_residual_currency for line in moves._vipps_get_open_installments()
            if not line.date_maturity or line.date_maturity <= today
        )

    def _vipps_is_payment_on_its_way(self):
        """ Override of `vipps.payable`. """
        return bool(self._vipps_get_open_invoices())

    def _vipps_prepare_page_values(self):
        """ Override of `vipps.payable`. """
        return {'invoice_ids': [Command.set(self._vipps_get_open_invoices().ids)]}

    #=== BUSINESS METHODS - SENDING ===#

    def _vipps_send(self):
        """ Send the request: as a push message by the queue, which knows the payment first, or as a
        mail. """
        self.ensure_one()
        if self.channel == 'push':
            self._vipps_create_push_payment()
        else:
            self._vipps_send_mail()
        self.env['vipps.audit.event']._record(
            'requested', self._vipps_find_offering_provider(self.amount), amount=self.amount,
            reference=self._vipps_get_names()[:200], partner_id=self.partner_id.id,
            currency_id=self.currency_id.id, details=self._describe_channel(),
        )

    def _describe_channel(self):
        return dict(self._fields['channel']._description_selection(self.env))[self.channel]

    def _vipps_send_mail(self):
        """ Have Odoo's queue send the mail with the page to the customer. """
        move = self.invoice_ids[:1]
        request = self.with_context(lang=self.partner_id.lang or self.env.lang)
        names = self._vipps_get_names()
        people = (self.user_id | move.invoice_user_id).filtered(
            lambda user: user.id != SUPERUSER_ID  # It sends automatic reminders.
        )
        author = people[:1].partner_id or self.company_id.partner_id
        move.with_context(mail_notify_force_send=False).message_post(
            subject=request._get_subject(names),
            model_description=request._get_heading(),
            body=request._prepare_body(),
            author_id=author.id,
            email_from=author.email_formatted or self.company_id.email_formatted,
            partner_ids=self.partner_id.ids,
            subtype_xmlid='mail.mt_comment',
            email_layout_xmlid='mail.mail_notification_light',
        )
        for other_move in self.invoice_ids[1:]:
            other_move._message_log(body=_(
                "A payment request for %s was sent by mail.", names,
            ))
        self.write({'channel': 'mail', 'state': 'sent'})

    def _get_heading(self):
        """ Return the word before the number; the one of Odoo is "Journal Entry". """
        return _("Invoice")

    def _get_subject(self, names):
        if self.is_reminder:
            return _("Reminder: please pay %s", names)
        return _("Please pay %s", names)

    def _prepare_body(self):
        """ Return the text of the mail, in the language of the customer. """
        amount = self._vipps_get_amount_to_pay()
        return self.env['ir.qweb']._render('mobilepay_vipps.payment_request_mail', {
            'document': self,
            'url': self._vipps_get_pay_url(),
            'label': _(
                "Pay %(amount)s with %(method)s",
                amount=format_amount(self.env, amount, self.currency_id),
                method=self._vipps_find_offering_provider(amount)._vipps_get_payment_method(
                    self.currency_id
                ).name,
            ),
            'rows': [{
                'name': move.name,
                'reference': move.payment_reference,
                'date': format_date(self.env, move.invoice_date_due),
                'amount': format_amount(
                    self.env, move._vipps_get_left_to_pay(), move.currency_id
                ),
            } for move in self._vipps_get_open_invoices().sorted('invoice_date_due')],
        }) or Markup()
