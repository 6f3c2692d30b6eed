# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from datetime import timedelta
from functools import partial

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from ...step_log import log_step
from ...trust import clean, keep_trusted
from ..api.client import VippsError
from ..jobs.own_transaction import (
    DONE,
    NOTHING_LEFT,
    RUN_SECONDS,
    call_apart,
    in_own_transaction,
)
from ..jobs.task import MONEY
from .entry import FEES, FUNDS, TOPICS

_logger = logging.getLogger(__name__)

# The steps of a run, each done until nothing is left, and each part of it in a database transaction
# of its own.
STEPS = (
    '_fetch_funds', '_fetch_fees', '_read_files', '_book_next', '_find_undone', '_match_next',
    '_match_payouts',
)
FETCHING_STEPS = STEPS[:2]

# A person does not wait for as long as a job runs.
PERSON_SECONDS = 10

# The job also runs when payments are booked or arrive in the bank; it asks Vipps MobilePay every
# hour, however it went.
FETCH_PERIOD = timedelta(minutes=50)

# A day has no more pages than that.
MAX_DAY_PAGES = 1000

# Entries of which all of these are the same are the same.
KEY_FIELDS = ('psp_reference', 'entry_type', 'amount', 'time', 'balance_after')

# After this time, a run makes room for payments even if nothing was done but waiting.
WAITING_SECONDS = 1

# How long a person waits until it is seen whether nobody else works on the ledger any more.
BUSY_SECONDS = 0.2

# The outcome of a step if somebody else works on the ledger, or if nothing can be fetched now.
BUSY, FAILED = 'busy', 'failed'


class VippsSettlementLedger(models.Model):
    """ The job that reads the entries of ledgers, and has them booked. """
    _inherit = 'vipps.settlement.ledger'

    # When the job asks next; at once if it is empty.
    fetch_at = fields.Datetime(readonly=True, copy=False)

    #=== BUSINESS METHODS - JOB ===#

    @api.model
    def _cron_settle(self):
        """ Fetch and book the entries of all ledgers. Those that had no answer last come last: one
        that hangs keeps nothing from the others. """
        ledgers = self.search([]).filtered(lambda ledger: ledger._is_set_up())
        due = ledgers.filtered(lambda ledger: ledger._is_fetch_due())
        if ledgers.sorted(lambda ledger: (
            ledger not in due, bool(ledger.fetch_error), ledger.fetch_at or ledger.create_date,
        ))._settle(is_job=True) and (due or not ledgers):
            # A sales unit that moved has another ledger, and a provider can take the place of one
            # that is disabled. Payments do not wake the job before there is a ledger.
            self.env['payment.provider'].search([
                ('code', '=', 'vipps'), ('state', '!=', 'disabled'),
            ]).filtered(
                lambda provider: provider.company_id in due.company_id
                or not provider.vipps_ledger_ids
            )._vipps_call_each('_vipps_refresh_ledgers')

    def _settle(self, is_job=False):
        """ Fetch and book the entries of ledgers. An error of one keeps nothing from the others.

        :param bool is_job: Whether to make room for payments.
        :return: Whether all of it is done; else the job goes on.
        :rtype: bool
        """
        started, is_done, steps = time.monotonic(), True, 0
        end = started + (RUN_SECONDS if is_job else PERSON_SECONDS)
        for ledger in clean(self):
            is_long = bool(steps) or time.monotonic() > started + WAITING_SECONDS
            outcome, count = DONE, 0
            if not (is_long and self._is_over(end, is_job)):
                try:
                    outcome, count = ledger._settle_until(end, is_job)
                except Exception:
                    _logger.exception("Ledger %s: the settlement failed.", ledger.id)
                    outcome = FAILED
            is_done, steps = is_done and outcome == NOTHING_LEFT, steps + count
            if outcome == DONE:
                call_apart(self, '_wake')
                break
        if steps:
            log_step(_logger, 'job_run', started=started, job='settle', steps=steps)
        return is_done

    def _settle_until(self, end, is_job):
        """ Do the steps for the ledger until the time is over or payments need the worker.

        :param float end: When the time is over, on the monotonic clock.
        :param bool is_job: Whether to make room for payments.
        :return: `DONE` if there is more to do, `NOTHING_LEFT` or `BUSY`; and the number of steps.
        :rtype: tuple[str, int]
        """
        context, count, outcome = keep_trusted(self.env.context), 0, NOTHING_LEFT
        has_fault = False
        for step in STEPS:
            if outcome == FAILED and step in FETCHING_STEPS:
                continue
            outcome = DONE
            while outcome == DONE:
                try:
                    outcome = in_own_transaction(
                        self.env.registry, partial(self._do_step, step, is_job), context
                    )
                except Exception:
                    # It keeps nothing from the other steps.
                    _logger.exception("Ledger %s: %s failed.", self.id, step)
                    outcome, has_fault = FAILED, True
                if outcome == BUSY:
                    if is_job or time.monotonic() > end:
                        return BUSY, count
                    time.sleep(BUSY_SECONDS)  # A person waits for the job.
                    outcome = DONE
                    continue
                count += outcome == DONE
                if outcome == DONE and self._is_over(end, is_job):
                    return DONE, count
        if has_fault:
            call_apart(self, '_note_fault')
        return NOTHING_LEFT, count

    def _is_over(self, end, is_job):
        """ Return whether the time of a run is over, or payments need its worker. """
        return time.monotonic() > end or is_job and call_apart(
            self.env['vipps.task'], '_is_due', MONEY
        )

    def _do_step(self, step, is_job, env):
        """ Do one step for the ledger, unless somebody else works on it.

        :return: `DONE`, `NOTHING_LEFT`, `FAILED` or `BUSY`.
        """
        ledger = self.with_env(env)
        # First of all, so that this database transaction sees what the one before it has done.
        if not ledger._lock():
            return BUSY
        ledger = ledger._in_company()
        if not ledger._is_set_up() or (
            is_job and step in FETCHING_STEPS and not ledger._is_fetch_due()
        ):
            return NOTHING_LEFT
        return getattr(ledger, step)()

    def _note_fault(self):
        """ Write down that a step failed with an error that nobody expects, unless entries cannot
        be booked anyway. It comes after all steps: booking removes what is solved. """
        ledger = self._in_company()
        ledger.booking_error = ledger.booking_error or _(
            "Odoo failed to settle the ledger %s; the reason is in the log of Odoo. It is tried"
            " again every hour. Show the log to whoever maintains your Odoo.", ledger.number,
        )

    def _lock(self):
        """ Lock the ledger; return whether nobody else works on it. """
        self.env.cr.execute(SQL(
            "SELECT id FROM vipps_settlement_ledger WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED",
            self.id,
        ))
        is_free = bool(self.env.cr.rowcount)
        self.invalidate_recordset()
        return is_free

    def _is_fetch_due(self):
        """ Return whether the job asks for new entries now. """
        return not self.fetch_at or self.fetch_at <= fields.Datetime.now()

    #=== BUSINESS METHODS - PAGES ===#

    def _fetch_funds(self):
        return self._fetch(FUNDS)

    def _fetch_fees(self):
        return self._fetch(FEES)

    def _fetch(self, topic, may_have_gap=False):
        """ Fetch one page of an account, and store its entries together with the place to go on.

        :param str topic: The account.
        :param bool may_have_gap: Whether a person decided to go on after a gap.
        :return: `DONE`, `NOTHING_LEFT`, or `FAILED` if this page cannot be stored.
        """
        cursor = self.sudo()[f'{topic}_cursor']
        try:
            page, values_list = self._read_page('feed', topic, cursor=cursor or None)
        except VippsError as error:
            return self._note_failure(
                fetch_error=str(error), retry_after=error.retry_after,
                has_access=not (error.is_not_found or error.is_forbidden),
            )
        is_first = not cursor and len(values_list) == len(page.entries)
        balance = self._get_balance_before(topic, values_list, is_first)
        values_list = self._put_in_chain(values_list, balance)
        gap = self._find_gap(values_list, balance, is_page=True)
        if gap and not may_have_gap:
            return self._note_failure(gap=_(
                "%s Nothing is booked from there on. Odoo asks again every hour. If it stays so,"
                " press Go On: the difference is booked to the suspense account.",
                self._describe_gap(gap),
            ))
        while gap:
            values_list.insert(gap['position'], gap['values'])
            # The next one of the funds is seen when they are booked. Fees are not.
            gap = topic == FEES and self._find_gap(values_list, balance, is_page=True)
        values = {
            f'{topic}_cursor': page.cursor,
            'fetched_at': fields.Datetime.now(),
            'has_access': True,
            'fetch_error': False,
            'gap': False,
        }
        self._store(topic, 'api', values_list)
        if values_list:  # They can be known from a file.
            values[f'{topic}_balance'] = self._get_last_balance(topic)
        # Empty pages without an end are no reason to go on.
        is_more = page.has_more and page.entries
        if is_more:
            values['fetch_at'] = False
        elif topic == FEES:
            values['fetch_at'] = values['fetched_at'] + FETCH_PERIOD
        self.write(values)
        return DONE if is_more else NOTHING_LEFT

    def _read_page(self, operation, topic, **arguments):
        """ Read a page of an account.

        :return: The page, and the values of its entries from the first day on.
        :rtype: tuple[protocol.report.Page, list[dict]]
        :raise VippsError: If it cannot be read.
        """
        api_client = self.env['vipps.api.client']
        if self.provider_id.state in (False, 'disabled'):
            raise VippsError(_(
                "The provider of this ledger is disabled or removed, so nothing is fetched. Enable"
                " it, or import the file from the Vipps MobilePay portal."
            ))
        page = api_client._call(
            self.provider_id, operation, ledger_id=self.number, topic=topic, **arguments,
        )
        return page, api_client._convert_entries(
            page.entries, self.number, self.currency_id, self.start_date
        )

    def _note_failure(self, retry_after=0, **values):
        """ Write down why nothing is fetched; it is tried again in an hour.

        :return: `FAILED`.
        """
        now = fields.Datetime.now()
        self.write({
            'fetch_error': False, 'gap': False,
            'fetch_at': now + max(FETCH_PERIOD, timedelta(seconds=retry_after)),
            **values,
        })
        return FAILED

    def _get_balance_before(self, topic, values_list, is_first):
        """ Return the balance that a page has to begin with; None if it is not known. A page can
        come a second time, and a day can have been read before.

        :param bool is_first: Whether nothing comes before it.
        """
        Entry = self.env['vipps.settlement.entry']
        if not values_list or not Entry._filter_new(self, topic, values_list[:1]):
            return None
        last = Entry.search([
            ('ledger_id', '=', self.id),
            ('topic', '=', topic),
            ('ledger_date', '<=', values_list[0]['ledger_date']),
        ], limit=1)
        if last:
            return self._get_balance_after(last) if last.has_balance else None
        return 0.0 if is_first else None

    def _store(self, topic, source, values_list):
        """ Store entries from the first day on.

        :return: The new entries.
        :rtype: vipps.settlement.entry
        """
        values_list = [
            values for values in values_list if values['ledger_date'] >= self.start_date
        ]
        if topic == FUNDS and values_list:
            self._make_room_before_opening(min(values['ledger_date'] for values in values_list))
        return self.env['vipps.settlement.entry']._store(self, topic, source, values_list)

    def _get_last_balance(self, topic):
        """ Return the balance after the last entry of an account. """
        return self.env['vipps.settlement.entry'].search([
            ('ledger_id', '=', self.id), ('topic', '=', topic),
        ], limit=1).balance_after

    #=== BUSINESS METHODS - DAYS ===#

    def _check_day(self, day):
        """ Read all entries of a day, and store those that are missing.

        :param datetime.date day: The day.
        :return: The entries that were missing.
        :rtype: vipps.settlement.entry
        :raise UserError: If they cannot be read, or if their balances do not fit together.
        """
        self._check_free()
        ledger = self._in_company()
        if not ledger.start_date or day < ledger.start_date:
            raise UserError(_(
                "The first day of the ledger is %s. Move it first to have earlier days.",
                format_date(self.env, ledger.start_date) if ledger.start_date else "-",
            ))
        self._record('day_checked', format_date(self.env, day))
        missing = self.env['vipps.settlement.entry']
        for topic in TOPICS:
            values_list = ledger._read_day(topic, day)
            gap = ledger._find_gap(values_list, is_page=True)
            if gap:
                raise UserError(_(
                    "%s Nothing of this day was stored. Try again in an hour.",
                    ledger._describe_gap(gap),
                ))
            missing |= ledger._store(topic, 'api', values_list)
        return missing

    def _read_day(self, topic, day):
        """ Return the values of all entries of a day.

        :rtype: list[dict]
        :raise VippsError: If they cannot be read.
        """
        cursor, values_list, seen = None, [], set()
        for _page in range(MAX_DAY_PAGES):
            page, page_values = self._read_page('day', topic, ledger_date=day, cursor=cursor)
            keys = [
                (values['raw'].get('time'), *(values[name] for name in KEY_FIELDS))
                for values in page_values
            ]
            values_list += [  # A page can come twice.
                values for key, values in zip(keys, page_values, strict=True) if key not in seen
            ]
            seen.update(keys)
            cursor = page.cursor
            if not page.has_more:
                break
        return self._put_in_chain(values_list)


class PaymentProvider(models.Model):
    """ The ledgers of the sales unit of a provider. """
    _inherit = 'payment.provider'

    #=== BUSINESS METHODS - JOB ===#

    def _vipps_refresh_ledgers(self):
        """ Store new ledgers: a sales unit that moved has another one. """
        try:
            self._vipps_find_ledgers()
        except VippsError as error:
            # What is wrong is noted with the entries that are not fetched.
            _logger.info("Provider %s: %s", self.id, error.log_text)

    def _vipps_find_ledgers(self):
        """ Store the ledgers that settle for the sales unit.

        :return: All of them.
        :rtype: vipps.settlement.ledger
        :raise VippsError: If they cannot be read.
        """
        api_client, Ledger = self.env['vipps.api.client'], self.env['vipps.settlement.ledger']
        msn = self.sudo().vipps_merchant_serial_number
        ledgers = Ledger
        for found in api_client._call(self, 'ledgers', msn=msn):
            ledger = Ledger.with_context(active_test=False).search([
                ('company_id', '=', self.company_id.id), ('number', '=', found.ledger_id),
            ]) or Ledger.create({
                'number': found.ledger_id,
                'msn': msn,
                'company_id': self.company_id.id,
                'currency_id': api_client._find_currency(found.currency).id,
                'provider_id': self.id,
            })
            if ledger.provider_id.state in (False, 'disabled'):
                ledger.write({'provider_id': self.id, 'fetch_at': False})
            ledgers |= ledger
        return ledgers
