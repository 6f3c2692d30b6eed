# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytz
from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, _, _lt, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_date

from ... import const
from ...step_log import log_step
from ..jobs.serialize import serialize

_logger = logging.getLogger(__name__)

# After this time, a capture that is not booked was forgotten, or cannot be booked.
BOOKING_PERIOD = timedelta(minutes=15)

# The period in which core's job looks for payments to post-process.
CORE_PERIOD = timedelta(days=4)


class PaymentTransaction(models.Model):
    """ The books: one payment per capture and per refund, reconciled with the documents of the
    payment, whichever comes first. """
    _inherit = 'payment.transaction'

    vipps_refundable_amount = fields.Monetary(
        string="Left to Refund", compute='_compute_vipps_refundable_amount', compute_sudo=True
    )

    #=== COMPUTE METHODS ===#

    @api.depends('state', 'amount', 'child_transaction_ids.state')
    def _compute_vipps_refundable_amount(self):
        for tx in self:
            tx.vipps_refundable_amount = (
                tx.provider_code == 'vipps' and tx._vipps_get_refundable_amount()
            )

    #=== BUSINESS METHODS - PAID AMOUNTS ===#

    def _vipps_correct_amount_paid(self, amount):
        """ Return the amount paid with these transactions, without the released part that core
        counts.

        :param float amount: The amount that core counts, in major units.
        :return: The reserved or captured amount, in major units.
        """
        for tx in self:
            if tx.provider_code == 'vipps' and tx.state in ('authorized', 'done'):
                amount -= tx._vipps_get_released_amount()
        return amount

    #=== BUSINESS METHODS - BEFORE AN OPERATION ===#

    def _vipps_check_books(self):
        """ Hook: ensure that a capture or refund can be booked today, which is the day in the
        market of the payment.

        :raise ValidationError: If it cannot; the text names the remedy.
        """
        problem = self._vipps_find_booking_problem()
        if problem:
            raise ValidationError(problem)
        lock_date = self.company_id._get_user_fiscal_lock_date()
        if self._vipps_get_market_day(fields.Datetime.now()) <= lock_date:
            raise ValidationError(_(
                "The books are locked until %s, so nothing can be booked today, and nothing was"
                " done at Vipps MobilePay. Ask your accountant to change the lock date.",
                format_date(self.env, lock_date),
            ))

    def _vipps_find_booking_problem(self):
        """ Hook: return the reason why payments of the provider cannot be booked, if there is one.

        :rtype: str | None
        """
        provider = self.provider_id
        lines = self.env['account.payment.method.line']
        if not lines.search_count([('payment_provider_id', '=', provider.id)], limit=1):
            # Core adds it to the journal when that is read first: it would be there twice.
            serialize(provider)
        journal = provider.journal_id
        if not journal.active:
            return _(
                "The payment journal of %s is missing or archived. Choose another one on the"
                " payment provider, under Configuration.", provider.name,
            )
        method_line = journal.inbound_payment_method_line_ids.filtered(
            lambda line: line.payment_provider_id == provider
        )
        if not method_line:
            return _(
                "The journal %(journal)s has no incoming payment method for %(provider)s. Add it"
                " to the journal, under Incoming Payments.",
                journal=journal.display_name, provider=provider.name,
            )
        company = journal.company_id
        if not method_line.payment_account_id and not (
            company.account_journal_payment_debit_account_id
            and company.account_journal_payment_credit_account_id
        ):
            return _(
                "There is no outstanding account for payments of %(provider)s. Choose one in the"
                " journal %(journal)s, under Incoming Payments.",
                journal=journal.display_name, provider=provider.name,
            )
        return None

    #=== BUSINESS METHODS - POST-PROCESSING ===#

    def _cron_finalize_post_processing(self):
        """ Override of `payment` to leave captures and refunds of Vipps MobilePay to the job that
        follows them: it does not stop after four days, and does not meet a hanging payment a second
        time. """
        if self:
            return super()._cron_finalize_post_processing()
        other_txs = self.search([
            ('provider_code', '!=', 'vipps'),
            ('state', '=', 'done'),
            ('is_post_processed', '=', False),
            ('last_state_change', '>=', fields.Datetime.now() - CORE_PERIOD),
        ])
        if other_txs:
            super(PaymentTransaction, other_txs)._cron_finalize_post_processing()

    def _finalize_post_processing(self):
        """ Override of `payment` to let only one process at a time book a payment. A payment that
        another one is booking is left to the job. """
        vipps_txs = self.filtered(lambda t: t.provider_code == 'vipps')
        super(PaymentTransaction, self - vipps_txs)._finalize_post_processing()
        for tx in vipps_txs:
            if tx._vipps_lock_follow_up():
                super(PaymentTransaction, tx)._finalize_post_processing()

    def _reconcile_after_done(self):
        """ Override of `account_payment` to book a capture that was refunded before it was booked:
        core takes every child transaction for a capture. """
        vipps_txs = self.filtered(lambda t: t.provider_code == 'vipps')
        super(PaymentTransaction, self - vipps_txs)._reconcile_after_done()
        own_txs = vipps_txs.filtered(lambda t: not t._vipps_is_booked_elsewhere())
        for tx in own_txs:
            with tx._vipps_set_moves_aside():
                super(PaymentTransaction, tx)._reconcile_after_done()
        for tx in own_txs.filtered(lambda t: t.state == 'done'):
            children = tx.child_transaction_ids
            if children.filtered(lambda t: t.state in ('done', 'cancel')) and (
                not tx._vipps_is_booked()
            ):
                tx.with_company(tx.company_id)._create_payment()

    def _vipps_is_booked(self):
        """ Return whether the transaction has its payment, or needs none. """
        has_payment = bool(self.payment_id or self._vipps_get_parts())
        return has_payment or self._vipps_is_booked_elsewhere()

    def _vipps_is_booked_elsewhere(self):
        """ Hook: return whether the transaction is booked without a payment of its own. """
        return False

    def _invoice_sale_orders(self):
        """ Override of `sale` not to invoice orders again that are invoiced already, which is
        possible when a payment was captured in parts. """
        invoiced_txs = self.filtered(
            lambda t: t.provider_code == 'vipps' and t._vipps_is_invoiced()
        )
        return super(PaymentTransaction, self - invoiced_txs)._invoice_sale_orders()

    def _vipps_is_invoiced(self):
        """ Return whether the invoices of each order reach the amount that was paid for it. """
        return bool(self.sale_order_ids) and all(
            order.currency_id.compare_amounts(order.amount_paid, sum(
                invoice.amount_total if invoice.move_type == 'out_invoice' else
                -invoice.amount_total
                for invoice in order.invoice_ids if invoice.state != 'cancel'
            )) <= 0
            for order in self.sale_order_ids
        )

    def _create_payment(self, **extra_create_values):
        """ Override of `account_payment` to book a capture or a refund so that an accountant
        recognizes it, to reconcile it with all documents it is for, and to let nothing get lost
        that cannot be booked now: the money has moved. """
        if self.provider_code != 'vipps':
            return super()._create_payment(**extra_create_values)

        started = time.monotonic()
        payment = self.env['account.payment']
        problem = self._vipps_in_staff_language()._vipps_find_booking_problem()
        if not problem:
            try:
                with self.env.cr.savepoint():
                    with self._vipps_set_moves_aside():
                        super()._create_payment(**{
                            'ref': self._vipps_get_memo(),
                            'date': self._vipps_get_booking_date(),
                            **extra_create_values,
                        })
                    for move in self._vipps_get_documents():
                        move._vipps_assign_payments(self.payment_id)
                payment = self.payment_id
            except UserError as error:
                problem = str(error)
        log_step(
            _logger, 'booked', self, outcome='done' if payment else 'failed', started=started,
            amount=self.amount,
        )
        if problem:
            tasks = self.env['vipps.task']  # One that is under way waits for its next try.
            tasks._schedule(self - tasks._get_scheduled(self, 'book'), 'book')
            self._vipps_tell_unbooked(problem)
        if payment:
            self._vipps_get_root()._vipps_settle_surplus()
        return payment

    def _vipps_get_booking_date(self):
        """ Return the day of the capture or refund at Vipps MobilePay, on which it is settled. """
        moment = self.last_state_change or fields.Datetime.now()
        for event in self._vipps_get_root().vipps_event_log or ():
            # A booking does not wait for an event that the log does not have yet.
            if self.vipps_psp_reference and event['psp_reference'] == self.vipps_psp_reference:
                moment = datetime.fromisoformat(event['time'])
        return self._vipps_get_market_day(moment)

    def _vipps_get_market_day(self, moment):
        """ Return the day of a moment in the market of the payment. """
        time_zone = const.MARKET_TIME_ZONES.get(self._vipps_get_root().vipps_market, 'UTC')
        return pytz.utc.localize(moment).astimezone(pytz.timezone(time_zone)).date()

    @contextmanager
    def _vipps_set_moves_aside(self):
        """ Keep documents from core while it books, which posts and reconciles them all: cancelled
        ones, and drafts, which somebody works on, when it was the job that captured a delivery. """
        root = self._vipps_get_root()
        is_job = self.env.uid == SUPERUSER_ID and (
            root.vipps_capture_mode == 'on_delivery' and root.sale_order_ids
        )
        states = ('cancel', 'draft') if is_job else ('cancel',)
        links = [
            (tx, move) for tx in self | self.source_transaction_id
            for move in tx.invoice_ids if move.state in states
        ]
        for tx, move in links:
            tx.invoice_ids -= move
        yield
        for tx, move in links:
            tx.invoice_ids |= move

    def _vipps_get_memo(self):
        """ Hook: return the memo by which an accountant recognizes a payment: the documents, our
        reference, and the reference in the settlements. """
        root = self._vipps_get_root()
        invoices = (self.invoice_ids or root.invoice_ids).filtered(lambda m: m.state == 'posted')
        return " - ".join(filter(None, [
            ", ".join(root.sale_order_ids.mapped('name') + invoices.mapped('name')),
            root.vipps_payment_reference,
            self.vipps_psp_reference,
        ]))

    def _vipps_get_documents(self):
        """ Return the posted documents that the payment of this capture or refund is for, those
        that are to be settled first coming first.

        :return: Invoices for a capture, credit notes for a refund.
        """
        root = self._vipps_get_root()
        moves = root._vipps_get_invoices()
        move_type = 'out_invoice'
        if self.operation == 'refund':
            moves |= self.invoice_ids | moves.reversal_move_id
            move_type = 'out_refund'
        return moves.filtered(
            lambda move: move.move_type == move_type and move.state == 'posted'
        ).sorted(lambda move: (move.invoice_date, move.id))

    def _vipps_get_invoices(self):
        """ Hook: return the invoices of the paid documents, in any state. """
        return self.invoice_ids | self.sale_order_ids.invoice_ids

    def _vipps_settle_surplus(self):
        """ Reconcile captures without an invoice with refunds without a credit note, when no
        invoice can come any longer that the captures could be for. """
        if any(
            order.state != 'cancel' and order.invoice_status != 'invoiced'
            for order in self.sale_order_ids
        ) or any(invoice.state == 'draft' for invoice in self.invoice_ids):
            return
        captured_lines = self._vipps_get_captures().payment_id._vipps_get_open_lines()
        refunded_lines = self._vipps_get_refunds().payment_id._vipps_get_open_lines()
        # The account of the customer may have been changed between the two.
        for account in captured_lines.account_id & refunded_lines.account_id:
            (captured_lines | refunded_lines).filtered(
                lambda line, account=account: line.account_id == account
            ).reconcile()

    def _vipps_tell_unbooked(self, problem):
        """ Report to an administrator that a payment cannot be booked. """
        self.provider_id._vipps_alert_administrator(
            'bookings',
            _lt("Payment %(reference)s is done at Vipps MobilePay, but it could not be booked:"
                " %(problem)s Odoo tries again every hour, with this and all later payments.",
                reference=self.reference, problem=problem),
        )

    #=== BUSINESS METHODS - JOB ===#

    def _vipps_book_alone(self, problem):
        """ Book a capture or a refund although an earlier step fails. """
        try:
            with self.env.cr.savepoint():
                self._create_payment()  # It reports errors in the books.
        except OperationalError:
            raise  # Another worker was faster: all of this is done again.
        except Exception:
            _logger.exception("Payment %s is not in the books yet.", self.reference)
            self._vipps_tell_unbooked(problem)

    @api.model
    def _vipps_get_unbooked_domain(self):
        """ Return the domain of captures and refunds that should be booked by now and are not. """
        failed_tasks = self.env['vipps.task'].sudo().search([
            ('kind', '=', 'book'), ('tries', '>', 0),
        ])
        return [
            ('state', '=', 'done'),
            '|',
            ('id', 'in', failed_tasks.transaction_id.ids),
            '&',
            ('is_post_processed', '=', False),
            ('last_state_change', '<', fields.Datetime.now() - BOOKING_PERIOD),
        ]

    @api.model
    def _vipps_book_forgotten(self):
        """ Have captures and refunds booked that no task is left for, for any reason. """
        txs = self.search([
            ('provider_code', '=', 'vipps'),
            ('state', '=', 'done'),
            ('is_post_processed', '=', False),
            ('last_state_change', '<', fields.Datetime.now() - BOOKING_PERIOD),
        ])
        tasks = self.env['vipps.task']
        tasks._schedule(txs - tasks._get_scheduled(txs, 'book'), 'book')
