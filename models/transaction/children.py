# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import models

from ...step_log import log_step
from ..api.client import VippsError

_logger = logging.getLogger(__name__)

# The events that move money. They are booked in this order.
MONEY_EVENTS = ('CAPTURED', 'CANCELLED', 'REFUNDED')


class PaymentTransaction(models.Model):
    """ Captures, releases and refunds of a payment, as transactions.

    As in core, a payment that is captured in full at once stands for its capture itself. Otherwise
    each capture, the release of the rest, and each refund has a child transaction; the source of a
    refund is the transaction of the capture, which has the payment in the books.
    """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - AMOUNTS IN ODOO ===#

    def _vipps_get_root(self):
        """ Return the transaction of the payment, of which this one may be a part. """
        root = self
        while root.source_transaction_id:
            root = root.source_transaction_id
        return root

    def _vipps_get_captures(self):
        """ Return the transactions that stand for the captures of the payment, oldest first. """
        parts = self._vipps_get_parts()
        if self.state == 'done' and not parts:
            return self
        return parts.filtered(lambda t: t.state == 'done')

    def _vipps_get_releases(self):
        """ Return the transactions that stand for the releases of the payment. """
        if self.state == 'cancel' and self.vipps_authorized_amount:
            return self
        return self._vipps_get_parts().filtered(lambda t: t.state == 'cancel')

    def _vipps_get_refunds(self):
        """ Return the transactions that stand for the refunds of the payment, oldest first. """
        children = self.child_transaction_ids
        return (children | children.child_transaction_ids).filtered(
            lambda t: t.operation == 'refund' and t.state == 'done'
        ).sorted(lambda t: t._origin.id)

    def _vipps_get_parts(self):
        return self.child_transaction_ids.filtered(
            lambda t: t.operation == self.operation and t.state in ('done', 'cancel')
        ).sorted(lambda t: t._origin.id)  # Forms compute with records that are not saved yet.

    def _vipps_get_reserved_amount(self):
        """ Return the amount that Odoo holds as reserved, and neither captured nor released, in
        major units. """
        if self.state != 'authorized':
            return 0
        return self.currency_id.round(self.amount - sum(self._vipps_get_parts().mapped('amount')))

    def _vipps_get_captured_amount(self):
        """ Return the amount that Odoo holds as captured, in major units. """
        return self.currency_id.round(sum(self._vipps_get_captures().mapped('amount')))

    def _vipps_get_released_amount(self):
        """ Return the amount that Odoo holds as released, in major units. """
        return self.currency_id.round(sum(self._vipps_get_releases().mapped('amount')))

    def _vipps_get_refunded_amount(self):
        """ Return the amount that Odoo holds as refunded, in major units. """
        return self.currency_id.round(-sum(self._vipps_get_refunds().mapped('amount')))

    def _vipps_get_refundable_amount(self):
        """ Return the amount that Odoo holds as captured and not refunded, in major units: of a
        capture, or of all captures of a payment. """
        root = self._vipps_get_root()
        captures = root._vipps_get_captures()
        if self in captures:
            refunds = root._vipps_get_refunds().filtered(lambda t: t.source_transaction_id == self)
            return self.currency_id.round(self.amount + sum(refunds.mapped('amount')))
        if self == root:
            return self.currency_id.round(
                root._vipps_get_captured_amount() - root._vipps_get_refunded_amount()
            )
        return 0

    def _vipps_get_held_amounts(self):
        """ Return the amounts that Odoo holds of the payment, in minor units, by the event that
        adds to each. """
        to_minor = self.env['vipps.api.client']._to_minor
        return {
            'CAPTURED': to_minor(self._vipps_get_captured_amount(), self.currency_id),
            'CANCELLED': to_minor(self._vipps_get_released_amount(), self.currency_id),
            'REFUNDED': to_minor(self._vipps_get_refunded_amount(), self.currency_id),
        }

    def _vipps_get_moved_amounts(self, held_amounts):
        """ Return the amounts that were captured, released or refunded meanwhile.

        :param dict held_amounts: The amounts that Odoo held before, in minor units.
        :return: The amounts before and now, in major units, by the event.
        """
        to_major = self.env['vipps.api.client']._to_major
        return {
            name: (to_major(held_amounts[name], self.currency_id), to_major(now, self.currency_id))
            for name, now in self._vipps_get_held_amounts().items() if now != held_amounts[name]
        }

    #=== BUSINESS METHODS - CONVERGING ===#

    def _vipps_converge_operations(self, payment, own_tx=None):
        """ Book the captures, releases and refunds of an approved payment that Odoo lacks.

        The sums say how much was moved, the event log in which parts. An operation that Odoo holds
        and the sums do not contain stays: it is a difference that somebody has to look at.

        :raise VippsError: If the event log cannot be read now and something was done elsewhere.
        """
        read = {
            'CAPTURED': payment.captured,
            'CANCELLED': payment.cancelled,
            'REFUNDED': payment.refunded,
        }
        held = self._vipps_get_held_amounts()
        missing = {name: read[name] - held[name] for name in MONEY_EVENTS}
        is_missing = any(map(self._vipps_is_bookable, missing.values()))
        if not is_missing and not self._vipps_get_unreferenced():
            return
        try:
            events = self._vipps_read_log()
        except VippsError as error:
            if is_missing and not own_tx and error.retryable:
                raise
            log_step(
                _logger, 'read_events', self, outcome=error.outcome, error=error.log_text
            )
            events = []
        events = self._vipps_get_new_events(events)
        if not is_missing:
            return
        if own_tx:  # Its event is first: others may have done the same at that time.
            events.sort(key=lambda e: e.idempotency_key != own_tx[0].vipps_idempotency_key)
        for event in events:
            if event.amount <= missing[event.name]:
                missing[event.name] -= event.amount
                self._vipps_book(event.name, event.amount, own_tx, event)
        # The log can lag behind the sums.
        if own_tx and own_tx[0].state == 'draft':
            name = own_tx[0]._vipps_get_event_name()
            amount = sum(tx._vipps_get_minor_amount() for tx in own_tx)
            if amount <= missing[name]:
                missing[name] -= amount
                self._vipps_book(name, amount, own_tx)
        for name in MONEY_EVENTS:
            if self._vipps_is_bookable(missing[name]):
                self._vipps_book(name, missing[name])
        parts = self | self._vipps_get_captures() | self._vipps_get_refunds()
        self.env['vipps.task']._schedule(
            parts.filtered(lambda t: t.state == 'done' and not t.is_post_processed), 'book'
        )

    def _vipps_is_bookable(self, amount):
        """ Return whether an amount is at least one unit of the currency, which may be larger than
        that of the API: an amount that was captured elsewhere can be finer, and is a difference.

        :param int amount: The amount, in minor units.
        """
        api_client = self.env['vipps.api.client']
        amount = api_client._to_major(max(amount, 0), self.currency_id)
        return api_client._round_down(amount, self.currency_id) > 0

    def _vipps_read_log(self):
        """ Read the event log of the payment and keep it for people.

        :return: The events, oldest first, in minor units.
        :raise VippsError: If it cannot be read.
        """
        events = self.env['vipps.api.client']._call_for(self, 'events')
        self.vipps_event_log = [
            {
                'name': event.name,
                'amount': event.amount,
                'time': event.timestamp.isoformat(timespec='seconds'),
                'success': event.success,
                'psp_reference': event.psp_reference,
            }
            for event in events
        ]
        return events

    def _vipps_get_unreferenced(self):
        """ Return the transactions whose event is not known yet. """
        return (
            self._vipps_get_captures() | self._vipps_get_releases() | self._vipps_get_refunds()
        ).filtered(lambda t: not t.vipps_psp_reference)

    def _vipps_get_new_events(self, events):
        """ Return the events that moved money and that no transaction stands for.

        Transactions whose event was not known yet get its reference.
        """
        txs = self | self._vipps_get_parts() | self._vipps_get_refunds()
        known = set(txs.mapped('vipps_psp_reference'))
        new_events = {
            event.psp_reference: event for event in events
            if event.success and event.name in MONEY_EVENTS and event.psp_reference not in known
        }
        # One event can stand for several transactions, which were then made at once.
        for get_group in (lambda t: t.id, lambda t: (t._vipps_get_event_name(), t.create_date)):
            for group in self._vipps_get_unreferenced().grouped(get_group).values():
                key = (
                    group[0]._vipps_get_event_name(),
                    sum(tx._vipps_get_minor_amount() for tx in group),
                )
                event = next(
                    (e for e in new_events.values() if (e.name, e.amount) == key), None
                )
                if event:
                    group.vipps_psp_reference = event.psp_reference
                    del new_events[event.psp_reference]
        return list(new_events.values())

    def _vipps_knows(self, event):
        """ Return whether an event tells of nothing but what Odoo knows from an answer: that the
        payment was created, or an operation that a transaction stands for.

        :param vipps.webhook.event event: The event.
        """
        if event.name == 'CREATED':
            return bool(self.vipps_payment_state) and self.state != 'cancel'
        parts = self | self._vipps_get_parts() | self._vipps_get_refunds()
        return event.psp_reference in parts.mapped('vipps_psp_reference')

    def _vipps_get_event_name(self):
        """ Return the name of the event that a capture, a release or a refund stands for, or is
        going to. """
        if self.operation == 'refund':
            return 'REFUNDED'
        is_capture = self.state == 'done' or self.state == 'draft' and self.vipps_idempotency_key
        return 'CAPTURED' if is_capture else 'CANCELLED'

    def _vipps_get_minor_amount(self):
        return self.env['vipps.api.client']._to_minor(abs(self.amount), self.currency_id)

    #=== BUSINESS METHODS - BOOKING ===#

    def _vipps_book(self, name, amount, own_tx=None, event=None):
        """ Book the operation that an event reports.

        :param int amount: The amount, in minor units.
        :param protocol.payment.Event event: The event, if it is known.
        """
        amount = self.env['vipps.api.client']._to_major(amount, self.currency_id)
        child_tx = self._vipps_choose_child(name, amount, own_tx, event)
        if name == 'REFUNDED':
            txs = child_tx or self._vipps_create_refunds(
                amount, self._vipps_get_asked_capture(event)
            )
        elif self._vipps_get_parts() or self.currency_id.compare_amounts(amount, self.amount):
            if self.state not in ('authorized', 'done'):
                self._vipps_set_state('authorized')
            txs = child_tx or self._create_child_transaction(amount)
        else:
            txs = self
        txs.write({
            'provider_reference': self.provider_reference,
            'vipps_psp_reference': event and event.psp_reference,
        })
        if event and (event.idempotency_key or txs != own_tx):
            # A key of an attempt of ours that failed would say that we did this.
            txs.write({'vipps_idempotency_key': event.idempotency_key})
        if name != 'CANCELLED':
            txs._vipps_set_state('done')
        elif txs == self:
            self._vipps_set_canceled('CANCELLED')
        else:
            txs._set_canceled()
        if name == 'CANCELLED' and self._vipps_get_released_order():
            self.env['vipps.task']._schedule(txs, 'release_message')

    def _vipps_choose_child(self, name, amount, own_tx, event):
        """ Hook: return the transactions that were made for the operation of an event, if any.

        :param str name: The name of the event.
        :param float amount: The amount, in major units.
        :param payment.transaction own_tx: The transaction of an operation that was just answered.
        :param protocol.payment.Event event: The event, if it is known.
        :rtype: payment.transaction | None
        """
        drafts = own_tx and own_tx.filtered(
            lambda t: t.state == 'draft' and t._vipps_get_event_name() == name
        )
        is_own = drafts and not self.currency_id.compare_amounts(
            sum(abs(tx.amount) for tx in drafts), amount
        )
        return drafts if is_own else None

    def _vipps_get_asked_capture(self, event):
        """ Return the capture from which a refund was asked for whose request was rolled back. """
        return event and event.idempotency_key and self.env['vipps.audit.event'].sudo().search([
            ('transaction_id', 'in', self._vipps_get_captures().ids),
            ('action', '=', 'refund'),
            ('idempotency_key', '=', event.idempotency_key),
        ], limit=1).transaction_id

    def _vipps_create_refunds(self, amount, first_capture_tx=None, **values):
        """ Create the transactions of a refund.

        :param float amount: The amount, in major units.
        :param payment.transaction first_capture_tx: The capture to refund first, if it is one; the
                                                     others follow, oldest first.
        :return: One for each capture that it takes something of.
        """
        refund_txs = self.browse()
        for capture_tx in self._vipps_get_captures().sorted(lambda t: t != first_capture_tx):
            part = min(amount, capture_tx._vipps_get_refundable_amount())
            if self.currency_id.compare_amounts(part, 0) > 0:
                refund_txs |= capture_tx._create_child_transaction(part, is_refund=True, **values)
                amount = self.currency_id.round(amount - part)
        return refund_txs
