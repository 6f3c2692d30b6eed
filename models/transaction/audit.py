# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class PaymentTransaction(models.Model):
    """ What happened to payments, for the audit trail and the log. """
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
        return txs

    def _vipps_record_started(self, step, started, error=None):
        """ Record that Vipps MobilePay was asked for the payment, and what came of that.

        :param str step: The step of the log.
        :param float started: When that was, as `time.monotonic` says.
        :param VippsError error: What went wrong, if anything.
        :return: None
        """
        self.env['vipps.audit.event']._record(
            'started', tx=self, step=step, started=started, error=error, amount=self.amount,
            log={'currency': self.currency_id.name, 'flow': self.vipps_user_flow},
        )
