# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import format_amount

from ...models.api.client import VippsError
from ...trust import get_readable

_logger = logging.getLogger(__name__)

# In major units of each currency. Production refuses less.
TEST_AMOUNT = 2

PRODUCT_CODE = 'VIPPS-TEST'


class VippsSetupGuide(models.TransientModel):
    """ The test payment: a small order of the user's own, from the payment to the books. """
    _inherit = 'vipps.setup.guide'

    # In sudo mode, as administrators need not have the rights of salespersons.
    transaction_id = fields.Many2one(
        comodel_name='payment.transaction', compute='_compute_transaction_id', compute_sudo=True
    )
    payment_state = fields.Selection(
        selection=[
            ('none', "None"), ('open', "Open"), ('failed', "Failed"), ('paid', "Paid"),
            ('refunded', "Refunded"),
        ],
        compute='_compute_payment_state',
        compute_sudo=True,
    )
    test_amount = fields.Char(compute='_compute_test_amount')
    payment_problem = fields.Char(readonly=True)

    #=== COMPUTE METHODS ===#

    @api.depends('provider_id')
    def _compute_transaction_id(self):
        for guide in self:
            guide.transaction_id = get_readable(guide).provider_id.vipps_guide_transaction_id

    @api.depends('transaction_id')
    def _compute_payment_state(self):
        for guide in self:
            tx = guide.transaction_id
            if not tx:
                guide.payment_state = 'none'
            elif tx.vipps_refunded_amount:
                guide.payment_state = 'refunded'
            elif tx.state == 'done':
                guide.payment_state = 'paid'
            else:
                guide.payment_state = 'failed' if tx.state in ('cancel', 'error') else 'open'

    @api.depends('market')
    def _compute_test_amount(self):
        for guide in self:
            guide.test_amount = format_amount(self.env, TEST_AMOUNT, guide._get_currency())

    #=== ACTION METHODS ===#

    def action_start_payment(self):
        """ Start a test payment, in place of one that is still open.

        :raise UserError: If the outcome of the open one is unknown.
        """
        self = self._enter()
        self._cancel_open_payment()
        self.payment_problem = False
        try:
            with self.env.cr.savepoint():
                self._start_payment()
        except UserError as error:
            # An administrator can do something about the cause.
            reason = error.__cause__ if isinstance(error.__cause__, VippsError) else error
            self.payment_problem = str(reason)
        return self._move(0)

    def action_refund_payment(self):
        """ Refund the test payment and cancel its order.

        :raise ValidationError: If it was not refunded, or if that is unknown.
        """
        self = self._enter()
        if self.payment_state != 'paid':
            raise UserError(_("There is no test payment to refund."))
        tx_sudo = self.sudo().transaction_id
        tx_sudo._send_refund_request()
        tx_sudo._vipps_cancel_guide_order()
        return self._move(0)

    def get_payment_status(self):
        """ Return the progress of the test payment, for the screen that follows it.

        :return: The `state` of the payment, the `steps`, each with its `text` and whether it is
                 `done`, the customer's way to pay (`url`, `qr`), whether the payment is settled
                 (`is_final`), and the `problem`.
        :rtype: dict
        """
        self = self._enter()
        tx_sudo = self.sudo().transaction_id
        if tx_sudo:
            tx_sudo._vipps_sync_for_customer()
            if tx_sudo.state == 'done' and not tx_sudo.is_post_processed:
                tx_sudo._vipps_post_process()
        has_failed = self.payment_state == 'failed'
        is_unbooked = self.payment_state == 'paid' and not tx_sudo.payment_id
        is_waiting = self.payment_state == 'open' and tx_sudo.state == 'draft'
        return {
            'state': self.payment_state,
            'steps': self._prepare_payment_steps(tx_sudo),
            'url': is_waiting and tx_sudo.vipps_redirect_url,
            'qr': is_waiting and tx_sudo._vipps_draw_redirect_url(),
            'is_final': self.payment_state != 'open' and not is_unbooked,
            'problem': has_failed and (tx_sudo.state_message or _("The payment was not made.")),
        }

    #=== BUSINESS METHODS - TEST PAYMENT ===#

    def _prepare_payment_steps(self, tx):
        if not tx:
            return []
        order, payment = tx.sale_order_ids[:1], tx.payment_id
        is_approved, is_captured = tx.state in ('authorized', 'done'), tx.state == 'done'
        amount = format_amount(self.env, tx.amount, tx.currency_id)
        steps = [
            (_("Payment of %(amount)s for order %(order)s is started.", amount=amount,
               order=order.name), tx.vipps_payment_state),
            (_("Approved.") if is_approved else _("Waiting for you to approve it."), is_approved),
            (_("Captured."), is_captured),
            (_("Booked as %s.", payment.name) if payment else _("Booked."), payment),
            (_("Order %s is paid.", order.name), is_captured and order.state in ('sale', 'done')),
        ]
        return [{'text': text, 'done': bool(is_done)} for text, is_done in steps]

    def _cancel_open_payment(self):
        """ Cancel the test payment that nobody approved, and with it its order.

        :raise UserError: If it is unknown whether it was cancelled.
        """
        tx_sudo = self.sudo().transaction_id
        if tx_sudo.state != 'draft':
            return
        tx_sudo._vipps_lock_for_person()
        if tx_sudo.vipps_payment_state:
            tx_sudo._vipps_execute('release', 0, only_unapproved=True)
        else:  # It is not known whether there is a payment: if so, it is released when approved.
            tx_sudo._vipps_cancel_guide_order()

    def _start_payment(self):
        """ Create an order, its transaction and the payment at Vipps MobilePay.

        :raise UserError: If the payment is not possible; its cause says why.
        """
        tx_sudo = self._create_transaction(self._create_order())
        problem = tx_sudo._vipps_find_booking_problem()
        if problem:
            raise ValidationError(problem)
        tx_sudo._vipps_with_patience()._vipps_start_payment()
        self.provider_id.vipps_guide_transaction_id = tx_sudo
        if not tx_sudo.vipps_redirect_url:
            _logger.info("Test payment %s has no answer yet.", tx_sudo.reference)

    def _create_order(self):
        """ Return an order of the user's own, in sudo mode. """
        company = self.company_id
        order_sudo = self.env['sale.order'].sudo().with_company(company).create({
            'partner_id': self._find_partner().id,
            'company_id': company.id,
            'user_id': self.env.user.id,
            # A price list would bring its own currency along.
            'pricelist_id': False,
            'origin': _("Set-up guide of %s", self.provider_id.name),
            'order_line': [Command.create({
                'product_id': self._find_product().id,
                'price_unit': TEST_AMOUNT,
                'tax_id': [Command.clear()],
            })],
        })
        order_sudo.currency_id = self._get_currency()
        return order_sudo

    def _find_partner(self):
        """ Return the customer: the user, unless that contact belongs to another company. """
        partner = self.env.user.partner_id
        if partner.company_id in (self.env['res.company'], self.company_id):
            return partner
        partners_sudo = self.env['res.partner'].sudo().with_context(active_test=False)
        return partners_sudo.search([
            ('ref', '=', PRODUCT_CODE), ('company_id', '=', False),
        ], limit=1) or partners_sudo.create({
            'name': self.env.user.name, 'ref': PRODUCT_CODE, 'company_id': False, 'active': False,
        })

    def _find_product(self):
        """ Return the product of the order, archived, so that nobody orders it by accident. """
        products_sudo = self.env['product.product'].sudo().with_context(active_test=False)
        return products_sudo.search([
            ('default_code', '=', PRODUCT_CODE), ('company_id', '=', False),
        ], limit=1) or products_sudo.create({
            'name': _("Test payment with Vipps MobilePay"),
            'default_code': PRODUCT_CODE,
            'type': 'service',
            'invoice_policy': 'order',
            'list_price': TEST_AMOUNT,
            'taxes_id': [Command.clear()],
            'company_id': False,
            'active': False,
        })

    def _create_transaction(self, order):
        """ Return the transaction of an order, which is captured as soon as it is approved. """
        txs_sudo = self.env['payment.transaction'].sudo()
        tx_sudo = txs_sudo.create({
            'provider_id': self.provider_id.id,
            'payment_method_id': self._get_payment_method().id,
            'reference': txs_sudo._compute_reference('vipps', prefix=order.name),
            'amount': order.amount_total,
            'currency_id': order.currency_id.id,
            'partner_id': order.partner_id.id,
            'operation': 'online_redirect',
            'landing_route': order.get_portal_url(),
            'sale_order_ids': [Command.set(order.ids)],
        })
        # In any shop, the guide shows the way into the books, and does not ask the
        # administrator to share anything.
        tx_sudo.write({'vipps_capture_mode': 'automatic', 'vipps_scopes': False})
        return tx_sudo
