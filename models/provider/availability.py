# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models

# After this many calls in a row without an answer, or with refused keys, people pay otherwise.
MAX_FAILURES = 5

# For as long again as it has lasted, within these bounds, nobody is sent to an API that fails.
FIRST_PAUSE = timedelta(minutes=1)
LAST_PAUSE = timedelta(minutes=30)

# After a call without an answer, pages and tills find out together whether there is one again: for
# as long as it has lasted, within these bounds, none of them asks.
FIRST_PROBE_DELAY = timedelta(seconds=2)
LAST_PROBE_DELAY = timedelta(seconds=10)

# The number of the lock in PostgreSQL that the one asking process holds.
PROBE_LOCK = 0x76697070


class PaymentProvider(models.Model):
    """ Whether customers are offered to pay with Vipps MobilePay while it does not answer.

    Nothing is kept on the provider: the last call that was noted says it all.
    """
    _inherit = 'payment.provider'

    @api.model
    def _get_compatible_providers(self, *args, **kwargs):
        """ Override of `payment` to leave out for a while providers that do not answer. """
        providers = super()._get_compatible_providers(*args, **kwargs)
        return providers.filtered(lambda p: p.code != 'vipps' or not p._vipps_get_pause_end())

    def _vipps_get_pause_end(self):
        """ Return the time until which the provider is left out of the checkout, or None.

        Then it is offered again, and the next call decides. Any answer ends the pause at once.
        """
        self.ensure_one()
        last = self._vipps_get_last_call()
        if not self._vipps_is_failing(last):
            return None
        failing_for = last['create_date'] - last['failing_since']
        end = last['create_date'] + min(max(failing_for, FIRST_PAUSE), LAST_PAUSE)
        return end if end > fields.Datetime.now() else None

    @api.model
    def _vipps_is_failing(self, last):
        """ Return whether too many calls failed in a row, whether it is tried again or not. """
        return bool(last) and last['failure_count'] >= MAX_FAILURES

    def _vipps_get_last_call(self):
        """ Return the last call that says whether people can pay, see `vipps.api.call._get_last`.
        """
        return self.env['vipps.api.call']._get_last({
            'provider_id': self.id, 'environment': self.sudo().vipps_environment,
        })

    #=== BUSINESS METHODS - WAITING ===#

    def _vipps_may_ask(self, patience):
        """ Return whether a waiting person may ask Vipps MobilePay.

        While it does not answer, one may for all: all workers share the record of the last call,
        and a lock until the end of the database transaction.
        """
        self.ensure_one()
        if not patience.get_seconds():
            return False
        last = self._vipps_get_last_call()
        if not last or last['outcome'] != 'no_answer':
            return True
        failing_for = last['create_date'] - last['failing_since']
        delay = min(max(failing_for, FIRST_PROBE_DELAY), LAST_PROBE_DELAY)
        if patience.is_polling and fields.Datetime.now() < last['create_date'] + delay:
            return False
        return self._vipps_take_turn()

    def _vipps_take_turn(self):
        """ Return whether it is the turn of this database transaction to wait for an answer that
        may not come. Until it is over, it is nobody else's. """
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [PROBE_LOCK, self.id])
        return self.env.cr.fetchone()[0]

    #=== BUSINESS METHODS - CHANGES ===#

    def _vipps_note_availability(self, failures_before, failures):
        """ Follow the moment from which customers cannot pay, or can pay again. """
        was_paused, is_paused = failures_before >= MAX_FAILURES, failures >= MAX_FAILURES
        if was_paused != is_paused:
            self._vipps_follow_availability(not is_paused)

    def _vipps_follow_availability(self, is_available):
        """ Hook: inform everybody concerned that customers cannot pay, or can again. """
        self.env['vipps.audit.event'].sudo()._record(
            'resumed' if is_available else 'paused', provider=self, outcome='done',
        )
        # Alerts are brought up to date as soon as this is committed.
        cron = self.env.ref('mobilepay_vipps.cron_watch_health', raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger()

    @api.model
    def _vipps_is_enabled_for(self, company):
        """ Return whether a company, or one of its parents, takes payments with Vipps MobilePay.
        """
        return bool(self.sudo().search_count([
            ('code', '=', 'vipps'), ('state', '!=', 'disabled'),
            ('company_id', 'parent_of', company.ids),
        ], limit=1))
