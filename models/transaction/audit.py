# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from contextlib import contextmanager

from odoo import models
from odoo.exceptions import UserError

from ...step_log import log_step
from ..api.client import VippsError

_logger = logging.getLogger(__name__)

# The actions of the audit trail and the steps of the log, by what Vipps MobilePay is asked for.
ACTIONS = {'capture': 'capture', 'cancel': 'release', 'refund': 'refund'}
STEPS = {'capture': 'captured', 'cancel': 'released', 'refund': 'refunded'}


class PaymentTransaction(models.Model):
    """ Who did what to payments, and what became of it, for the audit trail and the log. """
    _inherit = 'payment.transaction'

    def _update_state(self, allowed_states, target_state, state_message):
        """ Override of `payment` to record what has changed, and what caused it. """
        old_states = {tx: tx.state for tx in self}
        txs = super()._update_state(allowed_states, target_state, state_message)
        for tx in txs.filtered(lambda t: t.provider_code == 'vipps' and t.state != old_states[t]):
            self.env['vipps.audit.event']._record(
                'state_changed', tx=tx, from_state=old_states[tx], to_state=tx.state,
                amount=tx.amount,
            )
            if tx.vipps_pos_session_id and old_states[tx] == 'draft':
                log_step(_logger, 'attempt_decided', tx, state=tx.state)
        return txs

    def _vipps_record_started(self, step, started, error=None):
        """ Record that Vipps MobilePay was asked for the payment, and what came of that.

        :param str step: What the log calls that.
        :param float started: When that was, as `time.monotonic` says.
        :param VippsError error: What went wrong, if anything.
        :return: None
        """
        outcome = error.outcome if error else 'done'
        log_step(
            _logger, step, self, outcome=outcome, started=started, amount=self.amount,
            currency=self.currency_id.name, flow=self.vipps_user_flow,
            error=error and error.log_text,
        )
        self.env['vipps.audit.event']._record(
            'started', tx=self, outcome=outcome, amount=self.amount,
            details=error and str(error), trace_id=error and error.trace_id,
        )

    def _vipps_operate(self, operation, name, amount):
        """ Override to record who asked for what was refused before anything was sent. """
        try:
            return super()._vipps_operate(operation, name, amount)
        except UserError as error:
            if not getattr(error.__cause__, 'is_recorded', False):
                self.env['vipps.audit.event']._record_apart(
                    ACTIONS[name], tx=self, outcome='refused', amount=amount, details=str(error),
                )
            raise

    def _vipps_record_asked(self, name, amount):
        """ Record who asks for an operation, before it is sent: maybe nobody survives to tell.

        :param str name: The operation at Vipps MobilePay: `capture`, `cancel` or `refund`.
        :param float amount: The amount, in major units.
        :return: None
        """
        self.env['vipps.audit.event']._record_apart(
            ACTIONS[name], tx=self, outcome='asked', amount=amount
        )

    @contextmanager
    def _vipps_recorded(self, name, amount):
        """ Record what an operation comes to that is sent to Vipps MobilePay.

        :param str name: The operation at Vipps MobilePay: `capture`, `cancel` or `refund`.
        :param float amount: The amount, in major units.
        """
        audit, action, started = self.env['vipps.audit.event'], ACTIONS[name], time.monotonic()
        try:
            yield
        except VippsError as error:
            error.is_recorded = True
            log_step(
                _logger, STEPS[name], self, outcome=error.outcome, started=started, amount=amount,
                error=error.log_text,
            )
            audit._record_apart(
                action, tx=self, outcome=error.outcome, amount=amount, details=str(error),
                trace_id=error.trace_id,
            )
            raise
        log_step(_logger, STEPS[name], self, started=started, amount=amount)
        # It stays done at Vipps MobilePay when Odoo rolls back.
        audit._record_apart(action, tx=self, amount=amount)
