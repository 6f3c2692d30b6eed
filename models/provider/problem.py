# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta
from typing import NamedTuple

from odoo import _lt, fields, models

from ... import encryption
from ..jobs.webhook_event import ATTENTION_DOMAIN, CHECKED_IN, TO_DO_DOMAIN
from .credentials import DATABASE_VARIABLE
from .payment_provider import SECRET_FIELDS

# The period of the errors, the success rate and the time to approval.
LATELY = timedelta(days=7)

# The ages from which on somebody should look at waiting events and mails.
MAX_INBOX_AGE = timedelta(minutes=15)
MAX_MAIL_AGE = timedelta(minutes=15)
MAX_OPEN_AGE = timedelta(hours=1)
MAX_CLOCK_OFFSET = timedelta(minutes=2)
CLOCK_PERIOD = timedelta(days=1)

# This many payments without any event, within this time, are no coincidence.
MAX_UNTOLD_PAYMENTS = 3
UNTOLD_PERIOD = timedelta(days=1)
EVENT_DELAY = timedelta(minutes=15)


class Problem(NamedTuple):
    """ A kind of problem, and how people learn of it.

    Problems are found (by a list that is not empty, or by a method), or raised by code that meets
    them. Those that are found are over when they are not found any longer.
    """
    # In a few words; `%s` stands for the name of the provider, or the reference of the payment.
    summary: _lt
    # The remedy; empty if each note names it.
    advice: _lt | str = ''
    # `error` if payments fail or money is not where it belongs, else `warning`.
    level: str = 'warning'
    # The list of `payment.provider` that it is found by, see `_vipps_get_health_lists`, ...
    listed: str | None = None
    # ... or the method that finds it: returns whether there is one, or `count`, `since`, `values`.
    find: str | None = None
    # Whether the code that meets it alerts somebody, of it or of the payments in its list, and not
    # the health job, which would alert people again after they decided to wait.
    is_raised: bool = False
    # The method of `payment.provider` that returns whether an activity of a problem that is not
    # found is over; if there is none, code ends it that sees that it is solved.
    over: str | None = None


# By their keys, which are the same in all languages. Packages add theirs.
PROBLEMS = {
    'encryption': Problem(
        _lt("The keys of this provider cannot be read"),
        _lt("The encryption key of this server was lost or changed, or it was missing when Odoo was"
            " updated, or this database is a copy of another one. Restore the encryption key and"
            " press Encrypt Anew on the payment provider, or enter the keys again there and set up"
            " the webhooks again."),
        'error', find='_vipps_find_unreadable_keys',
    ),
    'environment_keys': Problem(
        _lt("The keys from the environment of the server are not used"),
        _lt("They must say which database they are for. Set the environment variable %(variable)s"
            " to %(database)s on the server and restart Odoo."),
        'error', find='_vipps_find_unused_keys',
    ),
    'key_file': Problem(
        _lt("Others on the server can read the encryption key"),
        _lt("Let only the user that runs Odoo read the file mobilepay_vipps/encryption.key in its"
            " data directory (chmod 600)."),
        find='_vipps_find_exposed_key',
    ),
    'keys': Problem(
        _lt("The keys of this provider are refused"),
        _lt("Nobody can pay. Open the payment provider, press Test Connection, and replace the keys"
            " that it names with Replace Keys."),
        'error', find='_vipps_find_refused_keys',
    ),
    'api': Problem(
        _lt("Vipps MobilePay does not answer"),
        _lt("%s is hidden at checkout for a while, again and again, and comes back automatically."
            " Look at status.vippsmobilepay.com. If nothing is wrong there, see that this server"
            " reaches the internet."),
        'error', find='_vipps_find_silence',
    ),
    'clock': Problem(
        _lt("The clock of this server is wrong"),
        _lt("It differs by %s seconds from the one of Vipps MobilePay, so that deadlines and"
            " waiting times are wrong, too. Have the server synchronize its clock (NTP)."),
        find='_vipps_find_wrong_clock',
    ),
    'webhook': Problem(
        _lt("The webhook of %s is not set up"),
        _lt("The webhook is not set up: payments are seen minutes later. Open the payment provider"
            " and press Set up Webhooks."),
        find='_vipps_find_missing_webhook',
    ),
    'events': Problem(
        _lt("No events of Vipps MobilePay arrive"),
        _lt("%s payments were started after the last event arrived. Odoo reads payments from time"
            " to time instead, which takes minutes. Check that the address of the webhook can be"
            " reached from the internet, and press Set up Webhooks on the payment provider."),
        find='_vipps_find_missing_events',
    ),
    'bookings': Problem(
        _lt("Payments cannot be booked"),
        _lt("Open the payments, find the reason in their history, and correct it. Odoo tries again"
            " every hour."),
        'error', listed='unbooked', is_raised=True,
    ),
    'mails': Problem(
        _lt("Mails about paid orders are not sent"),
        _lt("Customers wait for their order confirmations or invoices. In Settings, open Technical,"
            " Scheduled Actions, and see that %s is active, and that the scheduled actions of Odoo"
            " run: then the mails are sent."),
        'error', find='_vipps_find_late_mails',
    ),
    'inbox': Problem(
        _lt("Events of Vipps MobilePay wait for too long"),
        _lt("Open the events and read their errors. If there are none, see that the scheduled"
            " actions of Odoo run."),
        'error', listed='inbox_late',
    ),
    'failed_events': Problem(
        _lt("Events of Vipps MobilePay need attention"),
        _lt("Open the events, read their errors, and replay them when the cause is gone."),
        listed='failed_events', is_raised=True,
    ),
    'open_payments': Problem(
        _lt("Payments are open for too long"),
        _lt("Customers decide within minutes. See that Vipps MobilePay answers, and that the"
            " scheduled actions of Odoo run."),
        listed='open_1_hour',
    ),
    'deadlines': Problem(
        _lt("Reservations are near their last day of capture"),
        _lt("Capture payments for delivered goods and release the rest: after that day nothing can"
            " be captured."),
        listed='near_deadline', is_raised=True,
    ),
    'guarantees': Problem(
        _lt("Reservations are not guaranteed, or not much longer"),
        _lt("Capture payments for delivered goods. When the guarantee has ended, a capture can"
            " fail, because the bank may have released the money: from then on, capture before you"
            " deliver."),
        listed='near_guarantee', is_raised=True,
    ),
    'differences': Problem(
        _lt("Payments differ from Vipps MobilePay"),
        _lt("Open the payments and read the difference of each. Correct it in Odoo or in the Vipps"
            " MobilePay portal; the difference disappears when the payment is read again."),
        listed='differences', is_raised=True,
    ),
    'subscription_key': Problem(
        _lt("The primary subscription key is refused"),
        _lt("Payments go on with the secondary one. If the primary one was replaced in the Vipps"
            " MobilePay portal, enter the new one with Replace Keys."),
    ),
    'secondary_subscription_key': Problem(
        _lt("The secondary subscription key is refused"),
        _lt("Payments go on with the primary one. If the secondary one was replaced in the Vipps"
            " MobilePay portal, enter the new one with Replace Keys."),
    ),
    'webhook_watch': Problem(_lt("Events of Vipps MobilePay may not arrive")),
    'webhook_address': Problem(
        _lt("The address of the website has changed"),
        _lt("Events of Vipps MobilePay are sent to %(webhook_url)s, but web.base.url now leads to"
            " %(url)s. Odoo changes web.base.url when an administrator logs in at another address."
            " If your website has moved, press Set up Webhooks on the payment provider. If not, set"
            " web.base.url back, and create the system parameter web.base.url.freeze with the value"
            " True. Until then nothing is moved."),
    ),
    'webhook_repaired': Problem(
        _lt("The webhook was repaired"),
        _lt("%s This was repaired, and payments whose events did not arrive are found by the jobs:"
            " you need not do anything."),
        over='_vipps_is_old_news',
    ),
}


class PaymentProvider(models.Model):
    """ The problems that there are just now. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS - LISTS ===#

    def _vipps_get_health_lists(self):
        """ Hook: return the lists that the health of the provider is made of: each number is that
        of one.

        :return: By its name: the model, the domain, and the field that says since when.
        """
        self.ensure_one()
        now = fields.Datetime.now()
        deadline = now + timedelta(days=self.sudo().vipps_deadline_warning_days)
        tx, event, call = 'payment.transaction', 'vipps.webhook.event', 'vipps.api.call'
        own = [('provider_id', '=', self.id)]
        is_open = [
            *own, ('vipps_task_ids.kind', '=', 'sync'), ('state', 'in', ('draft', 'pending')),
        ]
        reserved = [*own, ('vipps_remaining_amount', '>', 0)]
        waiting = [*own, *TO_DO_DOMAIN]

        def before(domain, period, field='create_date'):
            return [*domain, (field, '<', now - period)]

        return {
            'open': (tx, is_open, 'create_date'),
            'open_10_minutes': (tx, before(is_open, timedelta(minutes=10)), 'create_date'),
            'open_1_hour': (tx, before(is_open, MAX_OPEN_AGE), 'create_date'),
            'near_deadline': (
                tx, [*reserved, ('vipps_capture_deadline', '<=', deadline)],
                'vipps_capture_deadline',
            ),
            'near_guarantee': (
                tx, [*reserved, ('vipps_guaranteed_until', '<=', deadline),
                     ('vipps_capture_deadline', '>', deadline)],
                'vipps_guaranteed_until',
            ),
            'differences': (tx, [*own, ('vipps_difference', '!=', False)], 'create_date'),
            'unbooked': (
                tx, [*own, *self.env[tx]._vipps_get_unbooked_domain()], 'last_state_change',
            ),
            'started': (
                tx, [*own, ('vipps_payment_reference', '!=', False),
                     ('create_date', '>=', now - LATELY)],
                'create_date',
            ),
            'mails_late': (
                'vipps.task',
                before([('transaction_id.provider_id', '=', self.id),
                        ('kind', 'in', ('order_mail', 'invoice_mail'))], MAX_MAIL_AGE, 'due'),
                'due',
            ),
            'inbox': (event, waiting, 'pending_since'),
            'inbox_late': (event, before(waiting, MAX_INBOX_AGE, 'pending_since'), 'pending_since'),
            'failed_events': (
                event, [*own, *ATTENTION_DOMAIN],
                'create_date',
            ),
            'errors': (
                call, [*own, ('outcome', '!=', 'success'), ('create_date', '>=', now - LATELY)],
                'create_date',
            ),
        }

    def _vipps_count(self, name):
        """ Return the length of a list, and since when there is something in it. """
        model, domain, since = self._vipps_get_health_lists()[name]
        return self.env[model].sudo()._read_group(domain, [], ['__count', f'{since}:min'])[0]

    #=== BUSINESS METHODS - PROBLEMS ===#

    def _vipps_get_problems(self, counts=None):
        """ Return the problems that there are just now, the worst first. Nothing is changed.

        :param dict counts: The lists that were counted already, see :meth:`_vipps_count`.
        :return: Each with its `key`, `level`, `summary` and `note`; with the `count` of its
                 cases, if they can be counted, and `since` when.
        """
        self.ensure_one()
        if not self._vipps_is_in_use():
            return []
        problems = []
        for key, problem in PROBLEMS.items():
            found = None
            if problem.listed:
                count, since = (counts or {}).get(problem.listed) or self._vipps_count(
                    problem.listed
                )
                found = count and {'count': count, 'since': since}
            elif problem.find:
                found = getattr(self, problem.find)()
            if found:
                found = {} if found is True else found
                summary, note = self._vipps_describe_problem(key, found.get('values'))
                problems.append({
                    'key': key, 'level': problem.level, 'summary': summary, 'note': note,
                    'count': found.get('count', 0), 'since': found.get('since'),
                })
        return sorted(problems, key=lambda problem: problem['level'] != 'error')

    def _vipps_describe_problem(self, key, values=None, name=None):
        """ Return the summary and the advice of a problem, in the language of the environment.

        :param dict|str|int values: The values in the advice, by name or in place of `%s`.
        :param str name: The name of the affected record, if it is not the provider.
        """
        summary, advice = str(PROBLEMS[key].summary), str(PROBLEMS[key].advice)
        if '%s' in summary:
            summary %= name or self.name
        return summary, advice if values is None else advice % values

    def _vipps_is_in_use(self):
        """ Return whether payments are made with the provider, or were and are not settled yet. """
        return self.state != 'disabled' or bool(self.env['payment.transaction'].sudo().search_count(
            [('provider_id', '=', self.id),
             '|', ('vipps_task_ids.kind', '=', 'sync'), ('vipps_remaining_amount', '>', 0)],
            limit=1,
        ))

    #=== BUSINESS METHODS - FINDING ===#

    def _vipps_find_unreadable_keys(self):
        provider_sudo = self.sudo()
        return any(
            provider_sudo._vipps_is_unreadable(name) for name in SECRET_FIELDS
            if not provider_sudo._vipps_get_environment_key(name)
        )

    def _vipps_find_unused_keys(self):
        return self.sudo()._vipps_has_unassigned_environment_keys() and {'values': {
            'variable': f'{DATABASE_VARIABLE}_{self.sudo().vipps_merchant_serial_number}',
            'database': self.env.cr.dbname,
        }}

    def _vipps_find_exposed_key(self):
        return encryption.is_key_file_exposed()

    def _vipps_find_refused_keys(self):
        last = self._vipps_get_last_call()
        return last and last['outcome'] == 'unauthorized' and {
            'count': last['failure_count'], 'since': last['failing_since'],
        }

    def _vipps_find_silence(self):
        last = self._vipps_get_last_call()
        return last and last['outcome'] != 'unauthorized' and self._vipps_is_failing(last) and {
            'count': last['failure_count'], 'since': last['failing_since'], 'values': self.name,
        }

    def _vipps_find_wrong_clock(self):
        call = self.env['vipps.api.call'].sudo().search([
            ('provider_id', '=', self.id), ('clock_offset', '!=', False),
            ('create_date', '>=', fields.Datetime.now() - CLOCK_PERIOD),
        ], limit=1)
        return abs(call.clock_offset) > MAX_CLOCK_OFFSET.total_seconds() and {
            'since': call.create_date, 'values': abs(call.clock_offset),
        }

    def _vipps_find_missing_webhook(self):
        # Without an address that can be reached, the installation is only tried out.
        return not self.sudo().vipps_webhook_url and (
            self.state == 'enabled' or self._vipps_is_allowed_url(self._vipps_get_webhook_url())
        )

    def _vipps_find_missing_events(self):
        now = fields.Datetime.now()
        since = max(now - UNTOLD_PERIOD, self._vipps_get_last_event() or now - UNTOLD_PERIOD)
        count = self.sudo().vipps_webhook_url and self.env['payment.transaction'].sudo(
        ).search_count([
            ('provider_id', '=', self.id),
            ('vipps_payment_reference', '!=', False),
            ('vipps_payment_state', '!=', False),
            ('create_date', '>', since),
            ('create_date', '<', now - EVENT_DELAY),
        ])
        return count and count >= MAX_UNTOLD_PAYMENTS and {
            'count': count, 'since': since, 'values': count,
        }

    def _vipps_get_last_event(self):
        """ Return the time at which the last event of a payment came in, be it removed since or
        not. """
        event = self.env['vipps.webhook.event'].sudo().search(
            [('provider_id', '=', self.id), ('name', '!=', CHECKED_IN)], order='id desc', limit=1
        )
        times = filter(None, (event.create_date, self.sudo().vipps_last_removed_event))
        return max(times, default=None)

    def _vipps_find_late_mails(self):
        count, since = self._vipps_count('mails_late')
        return count and {
            'count': count, 'since': since,
            'values': self.env.ref('sale_async_emails.cron').sudo().name,
        }
