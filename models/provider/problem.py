# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import _, api, fields, models

from ... import encryption
from ..jobs.webhook_event import ATTENTION_DOMAIN, TO_DO_DOMAIN
from .credentials import DATABASE_VARIABLE
from .payment_provider import SECRET_FIELDS

# What the errors, the success rate and the time to approval are of.
LATELY = timedelta(days=7)

# From when on somebody should look at what waits.
MAX_INBOX_AGE = timedelta(minutes=15)
MAX_MAIL_AGE = timedelta(minutes=15)
MAX_OPEN_AGE = timedelta(hours=1)
MAX_CLOCK_OFFSET = timedelta(minutes=2)
CLOCK_PERIOD = timedelta(days=1)

# So many payments without any event, within this time, are no coincidence.
MAX_UNTOLD_PAYMENTS = 3
UNTOLD_PERIOD = timedelta(days=1)
EVENT_DELAY = timedelta(minutes=15)


class PaymentProvider(models.Model):
    """ What is wrong, each under a key that is the same in all languages. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS - LISTS ===#

    def _vipps_get_health_lists(self):
        """ Return what the health of the provider is made of: each number is that of a list.

        :return: By its name: the model, the domain, and the field that says since when.
        :rtype: dict[str, tuple[str, list, str]]
        """
        self.ensure_one()
        now = fields.Datetime.now()
        own = [('provider_id', '=', self.id)]
        is_open = [
            *own, ('vipps_task_ids.kind', '=', 'sync'), ('state', 'in', ('draft', 'pending')),
        ]
        deadline = now + timedelta(days=self.sudo().vipps_deadline_warning_days)
        waiting = [*own, *TO_DO_DOMAIN]
        return {
            'open': ('payment.transaction', is_open, 'create_date'),
            'open_10_minutes': (
                'payment.transaction',
                [*is_open, ('create_date', '<', now - timedelta(minutes=10))], 'create_date',
            ),
            'open_1_hour': (
                'payment.transaction', [*is_open, ('create_date', '<', now - MAX_OPEN_AGE)],
                'create_date',
            ),
            'near_deadline': (
                'payment.transaction',
                [*own, ('vipps_remaining_amount', '>', 0),
                 ('vipps_capture_deadline', '<=', deadline)],
                'vipps_capture_deadline',
            ),
            'near_guarantee': (
                'payment.transaction',
                [*own, ('vipps_remaining_amount', '>', 0),
                 ('vipps_guaranteed_until', '<=', deadline),
                 ('vipps_capture_deadline', '>', deadline)],
                'vipps_guaranteed_until',
            ),
            'differences': (
                'payment.transaction', [*own, ('vipps_difference', '!=', False)], 'create_date',
            ),
            'unbooked': (
                'payment.transaction',
                [*own, *self.env['payment.transaction']._vipps_get_unbooked_domain()],
                'last_state_change',
            ),
            'mails_late': (
                'vipps.task',
                [('transaction_id.provider_id', '=', self.id),
                 ('kind', 'in', ('order_mail', 'invoice_mail')), ('due', '<', now - MAX_MAIL_AGE)],
                'due',
            ),
            'inbox': ('vipps.webhook.event', waiting, 'pending_since'),
            'inbox_late': (
                'vipps.webhook.event', [*waiting, ('pending_since', '<', now - MAX_INBOX_AGE)],
                'pending_since',
            ),
            'failed_events': (
                'vipps.webhook.event',
                [*own, *ATTENTION_DOMAIN],
                'create_date',
            ),
            'errors': (
                'vipps.api.call',
                [*own, ('outcome', '!=', 'success'), ('create_date', '>=', now - LATELY)],
                'create_date',
            ),
            'started': (
                'payment.transaction',
                [*own, ('vipps_payment_reference', '!=', False),
                 ('create_date', '>=', now - LATELY)],
                'create_date',
            ),
        }

    def _vipps_count(self, name):
        """ Return how long a list is, and since when something is in it.

        :param str name: The name of the list.
        :rtype: tuple[int, datetime]
        """
        model, domain, since = self._vipps_get_health_lists()[name]
        return self.env[model].sudo()._read_group(domain, [], ['__count', f'{since}:min'])[0]

    #=== BUSINESS METHODS - PROBLEMS ===#

    def _vipps_get_problems(self):
        """ Return what is wrong just now, the worst first. Nothing is changed.

        :return: The problems, see :meth:`_vipps_make_problem`.
        :rtype: list[dict]
        """
        self.ensure_one()
        if not self._vipps_is_in_use():
            return []
        problems = [
            self._vipps_find_key_problem(),
            self._vipps_find_api_problem(),
            self._vipps_find_clock_problem(),
            self._vipps_find_webhook_problem(),
            self._vipps_find_event_problem(),
            *self._vipps_find_list_problems(),
        ]
        return sorted(filter(None, problems), key=lambda problem: problem['level'] != 'error')

    def _vipps_is_in_use(self):
        """ Tell whether payments are made with the provider, or were and are not settled yet. """
        return self.state != 'disabled' or bool(self.env['payment.transaction'].sudo().search_count(
            [('provider_id', '=', self.id),
             '|', ('vipps_task_ids.kind', '=', 'sync'), ('vipps_remaining_amount', '>', 0)],
            limit=1,
        ))

    @api.model
    def _vipps_make_problem(self, key, level, summary, note, count=0, since=None):
        """ Return a problem.

        :param str key: What it is known by.
        :param str level: `error` if payments fail or money is not where it belongs, else `warning`.
        :param str summary: What is wrong, in a few words.
        :param str note: What to do.
        :param int count: How many things are concerned, if they can be counted.
        :param datetime since: Since when.
        :rtype: dict
        """
        return {
            'key': key, 'level': level, 'summary': summary, 'note': note, 'count': count,
            'since': since,
        }

    def _vipps_find_key_problem(self):
        provider_sudo = self.sudo()
        if any(
            provider_sudo._vipps_is_unreadable(name) for name in SECRET_FIELDS
            if not provider_sudo._vipps_get_environment_key(name)
        ):
            return self._vipps_make_problem(
                'encryption', 'error',
                _("The keys of this provider cannot be read"),
                _("The encryption key of this server was lost or changed, or it was missing when"
                  " Odoo was updated, or this database is a copy of another one. Restore the"
                  " encryption key and press Encrypt Anew on the payment provider, or enter the"
                  " keys again there and set up the webhooks again."),
            )
        if provider_sudo._vipps_has_unassigned_environment_keys():
            variable = f'{DATABASE_VARIABLE}_{provider_sudo.vipps_merchant_serial_number}'
            return self._vipps_make_problem(
                'environment_keys', 'error',
                _("The keys from the environment of the server are not used"),
                _("They must say which database they are for. Set the environment variable"
                  " %(variable)s to %(database)s on the server and restart Odoo.",
                  variable=variable, database=self.env.cr.dbname),
            )
        if encryption.is_key_file_exposed():
            return self._vipps_make_problem(
                'key_file', 'warning',
                _("Others on the server can read the encryption key"),
                _("Let only the user that runs Odoo read the file mobilepay_vipps/encryption.key in"
                  " its data directory (chmod 600)."),
            )
        return None

    def _vipps_find_api_problem(self):
        last = self._vipps_get_last_call()
        if last and last['outcome'] == 'unauthorized':
            return self._vipps_make_problem(
                'keys', 'error',
                _("The keys of this provider are refused"),
                _("Nobody can pay. Open the payment provider, press Test Connection, and replace"
                  " the keys that it names with Replace Keys."),
                last['failure_count'], last['failing_since'],
            )
        if self._vipps_is_failing(last):
            return self._vipps_make_problem(
                'api', 'error',
                _("Vipps MobilePay does not answer"),
                _("%s is hidden at checkout for a while, again and again, and comes back"
                  " automatically. Look at status.vippsmobilepay.com. If nothing is wrong there,"
                  " see that this server reaches the internet.", self.name),
                last['failure_count'], last['failing_since'],
            )
        return None

    def _vipps_find_clock_problem(self):
        self.env.cr.execute("""
            SELECT clock_offset, create_date
              FROM vipps_api_call
             WHERE provider_id = %s AND clock_offset IS NOT NULL AND create_date >= %s
             ORDER BY id DESC
             LIMIT 1
        """, [self.id, fields.Datetime.now() - CLOCK_PERIOD])
        offset, since = self.env.cr.fetchone() or (0, None)
        if abs(offset) <= MAX_CLOCK_OFFSET.total_seconds():
            return None
        return self._vipps_make_problem(
            'clock', 'warning',
            _("The clock of this server is wrong"),
            _("It differs by %s seconds from the one of Vipps MobilePay, so that deadlines and"
              " waiting times are wrong, too. Have the server synchronize its clock (NTP).",
              abs(offset)),
            since=since,
        )

    def _vipps_find_webhook_problem(self):
        provider_sudo = self.sudo()
        if (
            provider_sudo.vipps_webhook_url
            # An installation that is only tried out.
            or not self._vipps_is_allowed_url(self._vipps_get_webhook_url())
            and self.state != 'enabled'
        ):
            return None
        return self._vipps_make_problem(
            'webhook', 'warning',
            _("The webhook of %s is not set up", self.name),
            _("The webhook is not set up: payments are seen minutes later. Open the payment"
              " provider and press Set up Webhooks."),
        )

    def _vipps_find_event_problem(self):
        if not self.sudo().vipps_webhook_url:
            return None
        now = fields.Datetime.now()
        since = max(now - UNTOLD_PERIOD, self._vipps_get_last_event() or now - UNTOLD_PERIOD)
        count = self.env['payment.transaction'].sudo().search_count([
            ('provider_id', '=', self.id),
            ('vipps_payment_reference', '!=', False),
            ('vipps_payment_state', '!=', False),
            ('create_date', '>', since),
            ('create_date', '<', now - EVENT_DELAY),
        ])
        if count < MAX_UNTOLD_PAYMENTS:
            return None
        return self._vipps_make_problem(
            'events', 'warning',
            _("No events of Vipps MobilePay arrive"),
            _("%s payments were started since the last event came. Odoo finds out what becomes of"
              " them by asking, which takes minutes. See that the address of the webhook can be"
              " reached from the internet, and press Set up Webhooks on the payment provider.",
              count),
            count, since,
        )

    def _vipps_get_last_event(self):
        """ Return when the last event came in, be it removed since or not.

        :rtype: datetime | None
        """
        event = self.env['vipps.webhook.event'].sudo().search(
            [('provider_id', '=', self.id)], order='id desc', limit=1
        )
        times = filter(None, (event.create_date, self.sudo().vipps_last_removed_event))
        return max(times, default=None)

    def _vipps_find_list_problems(self):
        """ Return the problems that lists tell, each with the length of its list. """
        mail_cron = self.env.ref('sale_async_emails.cron').sudo()
        texts = {
            'unbooked': (
                'bookings', 'error',
                _("Payments cannot be booked"),
                _("Open the payments, read in their history what is wrong, and solve it. Odoo tries"
                  " again every hour."),
            ),
            'mails_late': (
                'mails', 'error',
                _("Mails about paid orders are not sent"),
                _("Customers wait for their order confirmations or invoices. In Settings, open"
                  " Technical, Scheduled Actions, and see that %s is active, and that the scheduled"
                  " actions of Odoo run: then the mails are sent.", mail_cron.name),
            ),
            'inbox_late': (
                'inbox', 'error',
                _("Events of Vipps MobilePay wait for too long"),
                _("Open the events and read their errors. If there are none, see that the scheduled"
                  " actions of Odoo run."),
            ),
            'failed_events': (
                'failed_events', 'warning',
                _("Events of Vipps MobilePay need attention"),
                _("Open the events, read what is wrong, and replay them when it is solved."),
            ),
            'open_1_hour': (
                'open_payments', 'warning',
                _("Payments are open for too long"),
                _("Customers decide within minutes. See that Vipps MobilePay answers, and that the"
                  " scheduled actions of Odoo run."),
            ),
            'near_deadline': (
                'deadlines', 'warning',
                _("Reservations are near their last day of capture"),
                _("Capture what is delivered, and release what is not going to be: after that day"
                  " nothing can be captured."),
            ),
            'near_guarantee': (
                'guarantees', 'warning',
                _("Reservations are not guaranteed, or not much longer"),
                _("Capture what is delivered. When the guarantee has ended, a capture can fail,"
                  " because the bank may have released the money: then deliver only what is"
                  " captured."),
            ),
            'differences': (
                'differences', 'warning',
                _("Payments differ from Vipps MobilePay"),
                _("Open the payments: each says what differs. Mend it in Odoo or in the Vipps"
                  " MobilePay portal; the difference disappears when the payment is read again."),
            ),
        }
        problems = []
        for name, (key, level, summary, note) in texts.items():
            count, since = self._vipps_count(name)
            if count:
                problems.append(self._vipps_make_problem(
                    key, level, summary, note, count, since
                ))
        return problems
