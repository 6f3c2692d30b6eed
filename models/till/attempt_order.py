# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from psycopg2.errors import LockNotAvailable

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ...patience import WAITING_SECONDS
from ..api.client import VippsError
from ..jobs.serialize import serialize
from .pos_payment import UNFINISHED_STATES

# The states of attempts that are undecided; see `payment.transaction._vipps_get_till_status`.
OPEN_STATES = ('unknown', 'scan', 'waiting')

UNATTACHED_DOMAIN = [
    ('vipps_pos_is_alone', '=', False),
    ('vipps_pos_payment_ids', 'not any', [('pos_order_id.state', 'not in', UNFINISHED_STATES)]),
]


class PaymentTransaction(models.Model):
    """ Attempts at tills and the orders that they are for. """
    _inherit = 'payment.transaction'

    vipps_is_unattached = fields.Boolean(
        string="Belongs to No Order",
        help="Paid at a till, but part of no finished order.",
        compute='_compute_vipps_is_unattached',
        search='_search_vipps_is_unattached',
        compute_sudo=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('state', 'child_transaction_ids.state', 'vipps_pos_payment_ids.pos_order_id.state')
    def _compute_vipps_is_unattached(self):
        for tx in self:
            tx.vipps_is_unattached = tx._vipps_is_unattached()

    @api.model
    def _search_vipps_is_unattached(self, operator, value):
        query = self.sudo()._search([
            ('vipps_pos_session_id', '!=', False),
            ('operation', '!=', 'refund'),
            ('state', 'in', ('authorized', 'done')),
            ('vipps_payment_state', '!=', 'REFUNDED'),  # In full.
            *UNATTACHED_DOMAIN,
        ])
        is_unattached = (operator == '=') == bool(value)
        return [('id', 'in' if is_unattached else 'not in', query)]

    #=== BUSINESS METHODS - FINDING ===#

    @api.model
    def _vipps_search_attempts(self, pos_references, configs):
        """ Return the attempts to pay orders of tills, and to refund them.

        :param list[str] pos_references: The numbers by which the tills know the orders.
        :param pos.config configs: The tills that hold the orders, or may have held them.
        :rtype: payment.transaction
        """
        return self.search([
            ('vipps_pos_reference', 'in', list(pos_references)),
            ('vipps_pos_config_id', 'in', configs._vipps_get_sharing_tills().ids),
        ], order='id')

    @api.model
    def _vipps_find_attempt(self, order, uuid):
        """ Return the attempt of a payment of an order that is open or that succeeded. """
        return order._vipps_get_attempts().filtered(
            lambda tx: uuid and tx.vipps_pos_uuid == uuid and not tx.vipps_pos_is_alone
            and tx._vipps_get_till_state() not in ('unpaid', 'returned')
        )[-1:]

    def _vipps_filter_open(self):
        """ Return the attempts that are undecided and matter to their orders: a payment that is
        approved after its order was paid otherwise is released. """
        return self.filtered(
            lambda tx: tx._vipps_get_till_state() in OPEN_STATES
            and (tx.operation == 'refund' or not tx._vipps_is_paid_otherwise())
        )

    def _vipps_filter_done(self):
        """ Return the attempts that moved money for no finished order. """
        return self.filtered(
            lambda tx: tx._vipps_get_till_state() in ('paid', 'refunded')
            and not tx._vipps_is_attached()
        )

    def _vipps_filter_unsettled(self):
        """ Return the attempts that are open, or that moved money for no finished order. """
        return self._vipps_filter_open() | self._vipps_filter_done()

    def _vipps_get_pos_order(self):
        """ Return the order that the attempt is for; when that is gone, the one of its number and
        its total, if it is there. """
        if self.vipps_pos_order_id:
            return self.vipps_pos_order_id
        orders = self.env['pos.order'].search([
            ('pos_reference', '=', self.vipps_pos_reference),
            ('config_id', 'in', self.vipps_pos_config_id._vipps_get_sharing_tills().ids),
        ], order='id')
        return orders.filtered(self._vipps_is_for_order)[:1]

    def _vipps_is_for_order(self, order):
        """ Return whether the attempt, whose order is gone, can have been for an order of the same
        number: one with the same total. """
        return not self.currency_id.compare_amounts(
            order.amount_total, self.vipps_pos_order_total
        )

    def _vipps_get_finished_payments(self):
        """ Return the payments of finished orders that this stands for; there is at most one. """
        return self.vipps_pos_payment_ids._vipps_filter_finished()

    def _vipps_is_attached(self):
        """ Return whether the attempt is part of a finished order. """
        return self.vipps_pos_is_alone or bool(self._vipps_get_finished_payments())

    def _vipps_is_unattached(self):
        """ Return whether the customer has paid for an order that is not finished with it. """
        return (
            bool(self.vipps_pos_session_id)
            and self._vipps_get_till_state() == 'paid'
            and not self._vipps_is_attached()
        )

    #=== BUSINESS METHODS - ORDERS ===#

    def _vipps_claim_order(self):
        """ Let nobody finish or delete the draft order as long as the customer is being asked.

        :return: Whether it is there, and a draft.
        """
        order = self._vipps_get_pos_order()
        return order.state == 'draft' and serialize(order)

    def _vipps_touch(self):
        """ Let everybody start anew who gives back a payment, or finishes an order with it, at the
        same time. The cashier does not wait for long for a job that waits for Vipps MobilePay. """
        if not self:
            return
        try:
            with self._vipps_waiting(WAITING_SECONDS):
                serialize(self)
        except LockNotAvailable as error:
            raise VippsError(self.env['vipps.api.client']._get_sentence('6160')) from error

    def _vipps_attach(self):
        """ Put the payment or the refund into its draft order, and finish the order if nothing is
        left to pay.

        A refund whose order is gone is booked without it, as one that was not made at a till.

        :return: Why the order is still a draft, if it is.
        """
        self.ensure_one()
        state, order = self._vipps_get_till_state(), self._vipps_get_pos_order()
        if self._vipps_is_attached():
            return ''
        if state not in ('paid', 'refunded'):
            raise UserError(_("This payment is neither paid nor refunded. Look again in a moment."))
        if state == 'refunded' and order.state != 'draft':
            self.vipps_pos_is_alone = True
            self.with_company(self.company_id)._create_payment()
            return ''
        if order.state != 'draft' or (
            self.currency_id.compare_amounts(self._vipps_get_till_amount(), self.amount)
        ):
            raise UserError(_(
                "Payment %s cannot be put into its order: the order is gone or finished, or a part"
                " of the payment was refunded. Refund the rest, or let a manager book the payment"
                " without its order.", self.reference,
            ))
        payments = order.payment_ids
        payment = payments.filtered(lambda p: p.vipps_uuid == self.vipps_pos_uuid)
        # A line that is not paid yet is only a payment that a till once wanted to ask for.
        (payments - payment).filtered(
            lambda p: p.payment_method_id.use_payment_terminal and p.payment_status != 'done'
        ).unlink()
        if not payment:
            order.add_payment({
                'amount': self.amount,
                'payment_method_id': self.vipps_pos_method_id.id,
                'pos_order_id': order.id,
                'vipps_uuid': self.vipps_pos_uuid,
            })
        payment = order.payment_ids.filtered(lambda p: p.vipps_uuid == self.vipps_pos_uuid)
        payment.write({'amount': self.amount, 'payment_status': 'done'})
        payment._vipps_link()
        order.amount_paid = sum(order.payment_ids.mapped('amount'))
        return order.with_company(order.company_id)._vipps_finish()

    #=== BUSINESS METHODS - UNWANTED PAYMENTS ===#

    def _vipps_is_to_release(self, payment):
        """ Override to end a payment that shows up after the cashier read that it is cancelled, and
        to ask no customer any longer for an order that was finished in another way. """
        if self.vipps_pos_session_id:
            if self.state == 'cancel' and payment.state != 'CREATED':
                return payment.remaining == payment.amount
            if payment.state == 'CREATED':
                return self.state == 'cancel' or self._vipps_is_paid_otherwise()
        return super()._vipps_is_to_release(payment)

    def _vipps_is_paid_otherwise(self):
        """ Override to release a payment that was approved after its order was finished without
        it. """
        if not self.vipps_pos_session_id:
            return super()._vipps_is_paid_otherwise()
        order = self._vipps_get_pos_order()
        return order.state not in (False, *UNFINISHED_STATES) and not self._vipps_is_attached()


class PosOrder(models.Model):
    """ Finishing an order on the server, although some orders need a browser for that. """
    _inherit = 'pos.order'

    #=== BUSINESS METHODS ===#

    def _vipps_finish(self):
        """ Finish a draft if nothing is left to pay and no browser is needed for it.

        :return: Why it is still a draft, if it is.
        """
        self.ensure_one()
        self._vipps_check_payments()
        if self._vipps_has_loyalty():
            return _(
                "The payment is in order %s. It has gift cards, coupons or points, which only the"
                " till can settle: open the order at the till, and validate it there.",
                self.pos_reference,
            )
        try:
            with self.env.cr.savepoint():
                self.action_pos_order_paid()
        except UserError as error:
            return _(
                "The payment is in order %(order)s, which is not finished: %(reason)s Open it at"
                " the till.", order=self.pos_reference, reason=error,
            )
        self._process_saved_order(False)
        return ''

    def _vipps_has_loyalty(self):
        """ Return whether the order takes or gives gift cards, coupons or points, which
        `pos_loyalty` books from the browser alone. """
        if 'reward_id' not in self.lines._fields:
            return False
        if self.lines.filtered(lambda line: line.is_reward_line or line.reward_id):
            return True
        # Those of the present order give only rewards, which are lines.
        programs = self.config_id.sudo()._get_program_ids().filtered(
            lambda program: program.applies_on != 'current'
            and (self.partner_id or not program.is_nominative)
        )
        return any(
            rule.any_product or rule.valid_product_ids & self.lines.product_id
            for rule in programs.rule_ids
        )
