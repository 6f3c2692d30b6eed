# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, models
from odoo.tools import SQL

from ...source import Fact
from ..jobs.task import DONE, LATER

# The documents cannot be prepared, and people are told why.
FAILED = 'failed'

# The tasks of the job, by the state that they follow.
FOLLOWING_TASKS = {'authorized': 'confirm', 'done': 'book'}

# The states that a read at Vipps MobilePay can leave a payment in, each with those that it takes
# the place of.
PREVIOUS_STATES = {
    'authorized': ('draft', 'pending', 'cancel', 'error'),
    'done': ('draft', 'pending', 'authorized', 'cancel', 'error'),
}


class PaymentTransaction(models.Model):
    """ The steps that follow an approved or captured payment: core and other addons confirm the
    order, send mails, invoice and book.

    The money comes first: its state is set and committed without any of that, and a job does the
    rest, in database transactions of its own, again and again until it works.
    """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - STATE ===#

    def _vipps_set_state(self, state):
        """ Set the state that was read at Vipps MobilePay, and nothing else.

        :param str state: The state: `authorized` or `done`.
        """
        txs = self._update_state(PREVIOUS_STATES[state], state, None)
        if state == 'done':
            txs._update_source_transaction_state()
        txs._log_received_message()
        self.env['vipps.task']._schedule(txs, FOLLOWING_TASKS[state])

    def _update_state(self, allowed_states, target_state, state_message):
        """ Override of `payment` to let `_set_authorized` and `_set_done`, with all that core and
        others do there, follow a state that was set before: as long as its task is there; to record
        changes; and to check our payments when other providers took one. """
        old_states = {tx: tx.state for tx in self}
        followed_txs = self._vipps_filter_followed(target_state)
        txs = super(PaymentTransaction, self - followed_txs)._update_state(
            allowed_states, target_state, state_message
        )
        txs.filtered(lambda t: t.provider_code != 'vipps')._vipps_look_at_rivals()
        for tx in txs.filtered(lambda t: t.provider_code == 'vipps' and t.state != old_states[t]):
            self.env['vipps.audit.event']._record(
                'state_changed', tx=tx, from_state=old_states[tx], to_state=tx.state,
                amount=tx.amount,
            )
        return txs | followed_txs

    def _set_canceled(self, *args, **kwargs):
        """ Override of `payment` to have it taken back at once that people are to confirm an order,
        and to cancel the order of a test payment of the set-up guide, which nobody else would. """
        txs = super()._set_canceled(*args, **kwargs)
        tasks = self.env['vipps.task']
        vipps_txs = self.filtered(lambda t: t.provider_code == 'vipps')
        tasks._schedule(tasks._get_scheduled(vipps_txs, 'confirm'), 'confirm')
        for tx in vipps_txs.filtered(lambda t: t.state == 'cancel'):
            if tx.provider_id.sudo().vipps_guide_transaction_id == tx:
                tx._vipps_cancel_guide_order()
        return txs

    def _vipps_cancel_guide_order(self):
        self.sale_order_ids.filtered(lambda order: order.state != 'cancel')._action_cancel()

    def _log_received_message(self):
        """ Override of `payment` to write a state into the documents when it is set, in the name of
        the user behind it, and not again by the job that follows it. The money waits neither for an
        error there nor for a mail server. """
        followed_txs = self.browse()
        for state in FOLLOWING_TASKS:
            followed_txs |= self._vipps_filter_followed(state)
        txs = self - followed_txs
        vipps_txs = txs.filtered(lambda t: t.provider_code == 'vipps')
        super(PaymentTransaction, txs - vipps_txs)._log_received_message()
        if vipps_txs:
            vipps_txs.with_context(mail_notify_force_send=False)._vipps_tell_safely(
                lambda told_txs: super(PaymentTransaction, told_txs)._log_received_message()
            )

    def _vipps_wake_tills(self):
        """ Hook: have the tills that wait for these payments look at them. """

    def _vipps_filter_followed(self, state):
        """ Return the transactions that are in a state which a job is to follow. """
        if state not in FOLLOWING_TASKS:
            return self.browse()
        return self.env['vipps.task']._get_scheduled(
            self.filtered(lambda t: t.provider_code == 'vipps' and t.state == state),
            FOLLOWING_TASKS[state],
        )

    def _execute_callback(self):
        """ Override of `payment` to leave the callbacks of others to the job. """
        others = self.filtered(lambda t: t.provider_code != 'vipps')
        return super(PaymentTransaction, others)._execute_callback()

    #=== BUSINESS METHODS - JOB ===#

    def _vipps_do_confirm(self):
        """ Confirm the order of an approved payment, and let others follow. """
        if not self._vipps_lock_follow_up():
            return LATER
        if self.state == 'authorized':
            if self._vipps_prepare_documents() != DONE:
                return LATER
            tx = self._vipps_with_mails_later()._vipps_in_customer_language()
            tx._set_authorized()
            super(PaymentTransaction, tx)._execute_callback()
            if self.sale_order_ids:
                self._vipps_keep_told('order_mail', True)
        if self.state != 'done':
            self._vipps_end_follow_up()
        return DONE

    def _vipps_do_book(self):
        """ Book a capture or a refund, confirm and invoice the order, and let others follow. """
        if self.state != 'done':
            return DONE
        if not self._vipps_lock_follow_up():
            return LATER
        tx = self._vipps_with_mails_later()
        if self._vipps_get_root()._vipps_prepare_documents() == LATER:
            return LATER
        if not self.is_post_processed:
            if not self._vipps_get_parts():
                tx._set_done()
            super(PaymentTransaction, tx)._execute_callback()
            tx._finalize_post_processing()
        elif not self._vipps_is_booked():
            tx._create_payment()
        if not self._vipps_is_booked():
            return LATER
        self._vipps_end_follow_up()
        return DONE

    def _vipps_prepare_documents(self):
        """ Hook: prepare the documents of an approved payment before they are confirmed.

        :return: `DONE` if they are ready, `LATER` if something is still to come, or `FAILED`.
        :rtype: str
        """
        return DONE

    def _vipps_with_mails_later(self):
        """ Return the transaction in a context in which the mails of core and other addons are left
        to other jobs: a mail server, or the rendering of documents, can hang. """
        return self.with_context(
            vipps_followed_tx_id=Fact(self.id), mail_notify_force_send=False,
        )

    def _vipps_lock_follow_up(self):
        """ Lock the steps after the payment until the end of the database transaction: two
        processes at a time would wait for each other's entries.

        The transaction itself is left to those who care for the money.

        :return: Whether it is locked. If not, another process is at work.
        """
        self.env.cr.execute(SQL(
            "SELECT pg_try_advisory_xact_lock(hashtext(%s))",
            f'vipps_follow_up:{self._vipps_get_root().id}',
        ))
        return self.env.cr.fetchone()[0]

    def _vipps_fail_task(self, kind, problem):
        """ Hook: create an activity about a task that failed, and book at least the payment. """
        if kind == 'user_info':
            return  # The payment does not need it.
        problem = problem or _("Something went wrong in Odoo. Its log says what.")
        root = self._vipps_get_root()._vipps_in_staff_language()
        if kind in ('verify', 'sync', 'capture', 'compare'):
            self.env['vipps.webhook.event']._get_pending(self)._keep_error(problem)
            root.provider_id._vipps_alert_administrator('payment', problem, root)
            return
        if kind.endswith('_mail') or kind == 'release_message':
            root._vipps_schedule_activity(
                'mail',
                _("%s Odoo tries again. This disappears when it has succeeded.", problem),
            )
            return
        orders = root._vipps_get_unconfirmed_orders()
        if orders:
            root._vipps_schedule_activity(
                'confirmation',
                _("The customer has approved the payment, but the order could not be confirmed:"
                  " %s Odoo tries again. Solve the problem, or confirm the order yourself. This"
                  " disappears when it is confirmed.", problem),
            )
        elif kind == 'confirm':
            root.provider_id._vipps_alert_administrator('follow_up', problem, root)
        if kind == 'book':
            if not self._vipps_is_booked():
                self._vipps_book_alone(problem)
            if not orders:
                self._vipps_tell_unbooked(problem)

    def _vipps_end_follow_up(self):
        """ Hook: take back the activities about tasks that have succeeded now, or are no longer to
        be done. """
        root = self._vipps_get_root()._vipps_in_staff_language()
        if not root._vipps_get_unconfirmed_orders():
            root._vipps_end_activity(
                'confirmation',
                _("The order is confirmed.") if root._vipps_get_confirmed_orders()
                else _("Nothing is reserved any longer."),
            )
            root._vipps_schedule_app_link()
        root.provider_id._vipps_end_alert('follow_up', root)

    def _vipps_get_unconfirmed_orders(self):
        """ Return the orders that the payment, with others, pays for, and that are not confirmed.
        """
        if self.state not in ('authorized', 'done') or not self._vipps_is_anything_paid():
            return self.env['sale.order']
        return self.sale_order_ids.filtered(
            lambda order: order.state in ('draft', 'sent')
            and order._is_confirmation_amount_reached()
        )

    def _vipps_is_anything_paid(self):
        """ Return whether anything is reserved, or captured and not refunded. """
        return bool(self.vipps_remaining_amount or self._vipps_get_refundable_amount())

    #=== BUSINESS METHODS - MAILS ===#

    def _send_invoice(self):
        """ Override of `sale` to send invoices later, where order mails are sent, too. """
        vipps_txs = self.filtered(lambda t: t.provider_code == 'vipps')
        super(PaymentTransaction, self - vipps_txs)._send_invoice()
        self.env['vipps.task']._schedule(
            vipps_txs.filtered(lambda t: t.invoice_ids.filtered(lambda i: not i.is_move_sent)),
            'invoice_mail',
        )

    def _vipps_do_order_mail(self):
        """ Send the mails about the orders of the payment. """
        for order in self.sale_order_ids.filtered('vipps_mail_template_id'):
            order._vipps_send_mail()
        self._vipps_end_mail()
        return DONE

    def _vipps_do_invoice_mail(self):
        """ Hook: send the invoices of the payment.

        :return: The outcome of the task.
        :rtype: str
        """
        super()._send_invoice()
        self._vipps_end_mail()
        return DONE

    def _vipps_do_template_mail(self, template_id, res_id, context, **kwargs):
        """ Render a mail that was to be sent when the payment was followed. """
        template = self.env['mail.template'].browse(template_id).exists()
        if template and self.env[template.model].browse(res_id).exists():
            template.with_context(**context).send_mail(res_id, **kwargs)
        self._vipps_end_mail()
        return DONE

    def _vipps_end_mail(self):
        """ Have Odoo's queue send the mail that was just rendered, now and not within the hour. """
        self._vipps_end_activity('mail', _("The mail was sent."))
        cron = self.env.ref('mail.ir_cron_mail_scheduler_action', raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger()
