# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from psycopg2 import OperationalError

from odoo import _, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_amount

from ...source import TILL
from ...trust import clean
from ..jobs.serialize import serialize
from .pos_payment_method import FLOWS

MAX_KEY_LENGTH = 64
MAX_ID = 2 ** 31 - 1  # of PostgreSQL

# More than the longest queue needs, and too few to find out whose numbers are known to the app.
MAX_PUSHES = 30
PUSH_PERIOD = timedelta(minutes=10)


class PosSession(models.Model):
    """ The requests of tills to the server.

    Each public method checks the user, and that all named records belong to the till of the
    session; if not, it raises an `AccessError`. A `UserError` says what to do. Most take the
    reference of an attempt and return its status, see
    `payment.transaction._vipps_get_till_status`.
    """
    _inherit = 'pos.session'

    #=== LOADING ===#

    def _loader_params_pos_payment_method(self):
        """ Override of `point_of_sale` to load the fields that tills need, and no more. """
        params = super()._loader_params_pos_payment_method()
        params['search_params']['fields'] += [
            'vipps_allow_qr', 'vipps_allow_push', 'vipps_allow_code', 'vipps_default_flow',
            'vipps_push_refused', 'vipps_is_paused', 'vipps_brand_id',
        ]
        return params

    def _loader_params_res_country(self):
        """ Override of `point_of_sale` to load the digits that are dialled before numbers of the
        country. """
        params = super()._loader_params_res_country()
        params['search_params']['fields'].append('phone_code')
        return params

    #=== SYNCHRONIZATION ===#

    def _handle_order_process_fail(self, order, exception, draft):
        """ Override of `point_of_sale` to let Odoo start anew after a collision over an order with
        our payments: no query can be made after it, and the failure of that would be all that is
        known. """
        payments = [command[2] for command in order['data'].get('statement_ids') or ()]
        if isinstance(exception, OperationalError) and any(
            payment.get('vipps_uuid') for payment in payments
        ):
            raise exception
        return super()._handle_order_process_fail(order, exception, draft)

    #=== PUBLIC METHODS - ATTEMPTS ===#

    def vipps_create_attempt(self, order_id, uuid, flow, phone=False):
        """ Store an attempt to take the payment of a draft order, or a refund if the amount of the
        payment is negative. Nothing is asked of Vipps MobilePay yet.

        An attempt of the same payment that is open or that succeeded is returned instead.

        :param int order_id: The draft order, which the till has just saved.
        :param str uuid: The key by which the till knows the payment.
        :param str flow: One of :data:`FLOWS`; not used for refunds.
        :param str phone: The customer's phone number as it was typed, for push messages.
        :rtype: dict
        :raise UserError: If no payment can be taken.
        """
        self = clean(self)
        self._vipps_check_till(is_open=True)
        order_sudo = self._vipps_get_order(order_id)
        payment_sudo = order_sudo.payment_ids.filtered(
            lambda p: p.vipps_uuid and p.vipps_uuid == uuid
            and p.payment_method_id in self.config_id.payment_method_ids
            and p.payment_method_id.use_payment_terminal == 'vipps'
        )
        if len(payment_sudo) != 1 or len(uuid) > MAX_KEY_LENGTH:
            raise UserError(_("This payment is no longer part of the order. Add it again."))
        # Requests that store an attempt, or close the session, at the same time start anew.
        serialize(self)
        serialize(order_sudo)
        txs_sudo = self.env['payment.transaction'].sudo()
        tx_sudo = txs_sudo._vipps_find_attempt(order_sudo, uuid)
        if not tx_sudo:
            self._vipps_check_nothing_open(order_sudo)
            self._vipps_check_amount(payment_sudo)
            if payment_sudo.amount < 0:
                tx_sudo = txs_sudo._vipps_store_refund(payment_sudo, self)
            else:
                tx_sudo = self._vipps_store_attempt(payment_sudo, flow, phone)
            payment_sudo._vipps_link()  # So that other tills learn its outcome.
        return tx_sudo._vipps_get_till_status(with_qr=True)

    def vipps_start_attempt(self, reference, code=False, check_in=False):
        """ Ask Vipps MobilePay for the payment or the refund; it may be called again after a lost
        answer, and is done once.

        :param str reference: The reference of the attempt.
        :param str code: The customer's code, if it was scanned to ask.
        :param int check_in: The id of the customer that the cashier chose among those who have
                             scanned the sticker.
        :rtype: dict
        :raise UserError: If the session is closed, or the provider is disabled.
        """
        tx_sudo = self._vipps_get_attempt_sudo(reference, is_open=True)
        tx_sudo._vipps_check_enabled()
        if tx_sudo.operation == 'refund':
            tx_sudo._vipps_start_refund()
        else:
            tx_sudo._vipps_start_attempt(
                isinstance(code, str) and code.strip() or None,
                check_in if type(check_in) is int else None,
            )
        return tx_sudo._vipps_get_till_status(with_qr=True)

    def vipps_get_attempt(self, reference, with_qr=False):
        """ Read an attempt, and return its status.

        :param str reference: The reference of the attempt.
        :param bool with_qr: Whether the till needs the QR code.
        :rtype: dict
        """
        tx_sudo = self._vipps_get_attempt_sudo(reference, is_polling=True)
        tx_sudo._vipps_sync_for_till()
        return tx_sudo._vipps_get_till_status(with_qr)

    def vipps_cancel_attempt(self, reference):
        """ Cancel an attempt, unless the customer has approved it: then it is paid. """
        tx_sudo = self._vipps_get_attempt_sudo(reference)
        if tx_sudo.operation == 'refund':
            tx_sudo._vipps_drop_refund()
        else:
            tx_sudo._vipps_cancel_attempt()
        return tx_sudo._vipps_get_till_status()

    def vipps_undo_attempt(self, reference):
        """ Give back a payment that is part of no finished order.

        :raise UserError: If it was not given back, or if that is unknown.
        """
        tx_sudo = self._vipps_get_attempt_sudo(reference)
        tx_sudo._vipps_undo_attempt()
        return tx_sudo._vipps_get_till_status()

    def vipps_attach_attempt(self, reference):
        """ Put the payment or the refund into its draft order, and finish the order if nothing is
        left to pay.

        :return: The status, and as `notice` why the order is still a draft, if it is.
        :raise UserError: If it was not paid, or if the order is gone.
        """
        tx_sudo = self._vipps_get_attempt_sudo(reference)
        notice = tx_sudo._vipps_attach()
        return {**tx_sudo._vipps_get_till_status(), 'notice': notice}

    def vipps_give_up_attempt(self, reference):
        """ Let the session be closed although the outcome of an attempt is unknown.

        :raise UserError: If the customer may still approve it.
        """
        tx_sudo = self._vipps_get_attempt_sudo(reference, is_manager=True)
        tx_sudo._vipps_give_up()
        return tx_sudo._vipps_get_till_status()

    def vipps_book_attempt(self, reference):
        """ Book outside of the session a payment whose order is not finished.

        :raise UserError: If it was not paid, or if it cannot be booked.
        """
        tx_sudo = self._vipps_get_attempt_sudo(reference, is_manager=True)
        tx_sudo._vipps_book_without_order()
        return tx_sudo._vipps_get_till_status()

    def vipps_list_attempts(self, pos_references=None, order_id=False):
        """ Return the attempts that are open, or that took money for no finished order.

        :param list[str] pos_references: The orders, or None for all attempts of the session.
        :param int order_id: The order, if the till knows its id: two may have the same number.
        :rtype: list[dict]
        """
        self = clean(self)
        self._vipps_check_till()
        if pos_references is None:
            attempts_sudo = self._vipps_get_unsettled()
        else:
            attempts_sudo = self.env['payment.transaction'].sudo()._vipps_search_attempts(
                self._vipps_filter_texts(pos_references), self._vipps_get_configs()
            )._vipps_filter_unsettled()
        if order_id:
            attempts_sudo = attempts_sudo.filtered(
                lambda tx: tx._vipps_get_pos_order().id in (False, order_id)
            )
        return [tx_sudo._vipps_get_till_status() for tx_sudo in attempts_sudo]

    def vipps_check_phone(self, phone):
        """ Ensure that a push message can be sent to a phone number, before a running attempt is
        cancelled for that.

        :return: True
        :raise UserError: If it is no phone number.
        """
        self = clean(self)
        self._vipps_check_till()
        return bool(self._vipps_check_phone(phone))

    #=== BUSINESS METHODS - CHECKS ===#

    def _vipps_check_till(self, is_open=False, is_manager=False):
        """ Ensure that the user may work at the till of the session, and that the session is open
        or the user a manager of tills where that is needed. """
        if not self.env.user.has_group('point_of_sale.group_pos_user'):
            raise AccessError(_("Only the staff of a Point of Sale can do this."))
        if is_manager and not self.env.user.has_group('point_of_sale.group_pos_manager'):
            raise AccessError(_("Only an administrator of the Point of Sale can do this."))
        if len(self) != 1:
            raise AccessError(_("This is done for one Point of Sale at a time."))
        self.check_access_rights('read')
        self.check_access_rule('read')
        if is_open and self.state != 'opened':
            raise UserError(_(
                "This session is closed or being closed. Open the Point of Sale again to take"
                " payments."
            ))

    def _vipps_get_configs(self):
        return self.config_id | self.config_id.trusted_config_ids

    @staticmethod
    def _vipps_filter_texts(values):
        """ Return the values from a browser that PostgreSQL can compare with a text. """
        values = values if isinstance(values, list) else []
        return [value for value in values if isinstance(value, str) and value.isprintable()]

    def _vipps_get_order(self, order_id):
        """ Return a draft order of the till, or of one that shares its orders with it. """
        order = self.env['pos.order'].search([
            ('id', '=', order_id),
            ('state', '=', 'draft'),
            ('config_id', 'in', self._vipps_get_configs().ids),
        ]) if type(order_id) is int and 0 < order_id <= MAX_ID else self.env['pos.order']
        if not order:
            raise UserError(_(
                "This order is finished, deleted, or not one of this Point of Sale. Look at the"
                " list of orders."
            ))
        return order.sudo()  # Cashiers may not read the attempts of its payments.

    def _vipps_get_attempt_sudo(
        self, reference, is_open=False, is_manager=False, is_polling=False
    ):
        """ Return an attempt of the till, or of one that shares its orders with it, for a user who
        passes :meth:`_vipps_check_till`.

        :param str reference: The reference of the attempt.
        :param bool is_polling: Whether the till asks again on its own.
        :rtype: payment.transaction
        :raise AccessError: If there is none, or if it is not for the user.
        """
        self = clean(self)
        self._vipps_check_till(is_open, is_manager)
        tx_sudo = self.env['payment.transaction'].sudo().search([
            ('reference', 'in', self._vipps_filter_texts([reference])),
            ('vipps_pos_session_id', '!=', False),
            ('vipps_pos_config_id', 'in', self._vipps_get_configs().ids),
            ('company_id', 'parent_of', self.company_id.id),  # Branches use their parent's.
        ])
        if not tx_sudo:
            raise AccessError(_("There is no such payment at this Point of Sale."))
        return tx_sudo.with_company(self.company_id).with_context(
            vipps_source=TILL
        )._vipps_with_patience(is_polling)

    def _vipps_check_nothing_open(self, order_sudo):
        """ Ensure that nobody is paying the order already. """
        if order_sudo._vipps_get_attempts()._vipps_filter_open():
            raise UserError(_(
                "The customer is already being asked to pay order %s. Cancel that payment first, or"
                " wait for it.", order_sudo.pos_reference,
            ))

    #=== BUSINESS METHODS - LIMITS ===#

    def _vipps_check_pushes(self):
        """ Ensure that the till does not send push messages to all numbers there are. """
        since = fields.Datetime.now() - PUSH_PERIOD
        if self.env['payment.transaction'].sudo().search_count([
            ('vipps_pos_config_id', '=', self.config_id.id),
            ('vipps_pos_flow', '=', 'push'),
            ('create_date', '>=', since),
        ], limit=MAX_PUSHES) >= MAX_PUSHES:
            raise UserError(_(
                "This till has sent %(count)s push messages within %(minutes)s minutes, which is"
                " the limit. Show a QR code instead, or try again in a few minutes.",
                count=MAX_PUSHES, minutes=int(PUSH_PERIOD.total_seconds() // 60),
            ))

    def _vipps_check_amount(self, payment_sudo):
        """ Ensure that a payment is not for more than is left to pay of the order. """
        order_sudo = payment_sudo.pos_order_id
        currency = order_sudo.currency_id
        sign = -1 if payment_sudo.amount < 0 else 1
        # A browser may not know of all that was paid.
        done_sudo = order_sudo._vipps_get_attempts()._vipps_filter_done()
        total_amount = order_sudo._vipps_round_for_app(order_sudo.amount_total)
        if order_sudo.payment_ids.filtered(
            lambda p: p.id > payment_sudo.id and p.payment_method_id.is_cash_count
        ):  # Cash that comes last is rounded, up or down.
            rounded_amount = order_sudo._get_rounded_amount(order_sudo.amount_total)
            total_amount = sign * max(sign * total_amount, sign * rounded_amount)
        left_amount = sign * (
            total_amount
            - sum(tx._vipps_get_till_amount() for tx in done_sudo)
            - sum(order_sudo.payment_ids.filtered(
                lambda p: p.payment_method_id.use_payment_terminal != 'vipps'
            ).mapped('amount'))
        )
        if currency.compare_amounts(abs(payment_sudo.amount), left_amount) <= 0:
            return
        left = format_amount(self.env, max(left_amount, 0), currency)
        if not done_sudo and currency.compare_amounts(left_amount, 0) <= 0:
            raise UserError(_("Nothing is left to pay or to refund for this order."))
        if done_sudo:
            raise UserError(_(
                "Order %(order)s is already paid or refunded with %(method)s, in full or in part:"
                " %(left)s is left. Open the payments of the order again.",
                order=order_sudo.pos_reference, left=left,
                method=payment_sudo.payment_method_id.name,
            ))
        if sign < 0:
            raise UserError(_("Only %s is left to refund. Enter that amount.", left))
        raise UserError(_("Only %s is left to pay of this order. Enter that amount.", left))

    #=== BUSINESS METHODS - STORING ===#

    def _vipps_store_attempt(self, payment_sudo, flow, phone):
        """ Store an attempt to take a payment, see :meth:`vipps_create_attempt`. """
        order_sudo = payment_sudo.pos_order_id
        method_sudo = payment_sudo.payment_method_id
        provider_sudo = method_sudo.vipps_provider_id
        currency = order_sudo.currency_id
        method_sudo._vipps_check_flow(flow, self.config_id)
        method_sudo._vipps_check_usable(currency, payment_sudo.amount)
        if flow == 'push':
            self._vipps_check_pushes()
        partner = order_sudo.partner_id or self.env.ref('base.public_partner')
        txs_sudo = self.env['payment.transaction'].sudo().with_company(self.company_id)
        tx_sudo = txs_sudo.create({
            'provider_id': provider_sudo.id,
            'payment_method_id': method_sudo._vipps_get_brand(currency).id,
            'operation': 'online_direct',
            'reference': txs_sudo._vipps_make_reference(order_sudo.pos_reference),
            'amount': payment_sudo.amount,
            'currency_id': currency.id,
            'partner_id': partner.id,
            'vipps_user_flow': FLOWS[flow],
            'vipps_customer_phone': self._vipps_check_phone(phone) if flow == 'push' else False,
            'vipps_capture_mode': 'automatic',  # The goods leave the shop at once.
            'vipps_pos_flow': flow,
            'vipps_sticker_redirects': flow == 'sticker' and method_sudo.vipps_sticker_redirects,
            **payment_sudo._vipps_prepare_attempt(self),
        })
        # It ends, too, if the till goes away before it asks for the payment.
        tx_sudo._vipps_watch()
        return tx_sudo

    def _vipps_check_phone(self, phone):
        """ Return a phone number, as it was typed, in the way that Vipps MobilePay takes it. """
        number = isinstance(phone, str) and self.env['vipps.api.client']._normalize_phone(
            phone, self.company_id.country_id
        )
        if not number:
            raise UserError(_(
                "This is not a phone number. Enter it with its country code, like +47 or +45, if it"
                " is a foreign one."
            ))
        return number
