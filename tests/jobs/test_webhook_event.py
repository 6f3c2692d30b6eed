# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import uuid
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ... import const
from ...models.jobs.task import KINDS
from ...protocol.payment import Event
from ...simulator.sales_units import NOK_UNIT
from ..common import KEYS, TransactionCommon
from .test_webhook import WebhookCommon

MINUTE = timedelta(minutes=1)
FAILURES_SUMMARY = "Events of Vipps MobilePay need attention"


class EventCommon(WebhookCommon, TransactionCommon):
    """ Events that came by the webhook, and the job that deals with them. """

    def _store(self, tx):
        """ Call the webhook with everything that happened to the payment of a transaction. """
        for event in self._prepare_events(tx):
            self.assertEqual(self._post(event), 200)

    def _prepare_event(self, reference, **values):
        return {
            'msn': NOK_UNIT.msn, 'reference': reference, 'pspReference': str(uuid.uuid4()),
            'name': 'AUTHORIZED', 'amount': {'currency': 'NOK', 'value': 24950},
            'timestamp': '2026-01-02T03:04:05Z', 'success': True, **values,
        }

    def _tell(self, reference, **values):
        """ Call the webhook with an event of any payment, and return what is stored of it. """
        self.assertEqual(self._post(self._prepare_event(reference, **values)), 200)
        return self._get_inbox()[-1]

    def _start_approved(self):
        """ Return a transaction whose payment was approved without Odoo's knowing. """
        tx = self._start()
        self._approve(tx)
        return tx

    def _get_read_references(self):
        return [call['reference'] for call in self._get_calls('get')]

    def _get_alerts(self):
        return self._get_activities().filtered(lambda a: a.summary == FAILURES_SUMMARY)

    def _drain_repeatedly(self, clock, count):
        """ Run the job each time that the events are due, and return the intervals. """
        intervals = []
        for tries in range(1, count + 1):
            self._drain()
            tasks = self.env['vipps.task'].search([('kind', '=', 'sync')])
            self.assertEqual(set(tasks.mapped('tries')), {tries})
            self.assertEqual(set(self._get_inbox().mapped('state')), {'pending'})
            due, = set(tasks.mapped('due'))
            intervals.append(due - fields.Datetime.now())
            self.assertEqual(self._drain(), 0, "It is not tried before its time.")
            clock.tick(intervals[-1])
        return [interval / MINUTE for interval in intervals]


@tagged('post_install', '-at_install')
class TestEventVerdict(EventCommon):
    """ What becomes of the events. """

    has_second_company = True

    def test_event_makes_the_transaction_converge(self):
        tx = self._start_approved()
        self._store(tx)
        self.assertEqual(tx.state, 'draft')
        self._drain()
        self.assertEqual(tx.state, 'authorized')
        self.assertEqual(set(self._get_inbox().mapped('state')), {'processed'})

    def test_event_makes_the_transaction_of_a_disabled_provider_converge(self):
        tx = self._start_approved()
        self.vipps.state = 'disabled'
        self._store(tx)
        self._drain()
        self.assertEqual(tx.state, 'authorized')

    def test_what_an_event_says_does_not_count(self):
        tx = self._start()
        event, = self._prepare_events(tx)
        for name in ('AUTHORIZED', 'CAPTURED', 'REFUNDED', 'NONSENSE'):
            self._post({**event, 'name': name, 'amount': {'currency': 'EUR', 'value': 1}})
        self._drain()
        self.assertEqual((tx.state, tx.vipps_payment_state), ('draft', 'CREATED'))

    def test_event_that_comes_late_changes_nothing(self):
        tx = self._authorize()
        created, authorized = self._prepare_events(tx)
        tx._send_void_request()
        self.assertEqual(tx.state, 'cancel')
        self._post(authorized)
        self._post(created)
        self._drain()
        self.assertEqual(tx.state, 'cancel')

    def test_event_of_what_did_not_take_effect_is_ignored(self):
        tx = self._start_approved()
        triggers = self._count_triggers()
        event = self._tell(tx.vipps_payment_reference, success=False)
        self.assertEqual((event.state, event.success), ('ignored', False))
        self.assertEqual(self._count_triggers(), triggers)
        self.assertEqual(self._drain(), 0)
        self.assertEqual(tx.state, 'draft')

    def test_unknown_reference_is_unmatched_and_ignored_after_fifteen_minutes(self):
        with freeze_time(fields.Datetime.now()) as clock:
            event = self._tell('no-such-reference')
            self._drain()
            for _minute in range(15):
                self.assertEqual(event.state, 'unmatched')
                clock.tick(MINUTE)
                self._drain()
        self.assertEqual((event.state, event.error), ('ignored', False))
        self.assertFalse(self._get_alerts())

    def test_unknown_references_of_this_database_are_flagged_once_after_fifteen_minutes(self):
        prefix = self.env['payment.transaction']._vipps_get_reference_prefix()
        with freeze_time(fields.Datetime.now()) as clock:
            events = self.env['vipps.webhook.event'].union(*(
                self._tell(f'{prefix}-S0000{number}-ABCDEF') for number in range(3)
            ))
            self._drain()
            for _minute in range(15):
                self.assertFalse(self._get_alerts(), "The transaction may still appear.")
                self.assertFalse(any(events.mapped('error')))
                clock.tick(MINUTE)
                self._drain()
        self.assertEqual(set(events.mapped('state')), {'unmatched'})
        for event in events:
            self.assertIn("no transaction for this payment", event.error)
        alert, = self._get_alerts()
        self.assertTrue(alert.user_id.has_group('base.group_system'))

    def test_reference_that_only_begins_like_those_of_this_database_is_ignored(self):
        prefix = self.env['payment.transaction']._vipps_get_reference_prefix()
        with freeze_time(fields.Datetime.now()) as clock:
            event = self._tell(f'{prefix}X-S00001-ABCDEF')
            clock.tick(15 * MINUTE)
            self._drain()
        self.assertEqual(event.state, 'ignored')

    def test_event_that_was_faster_than_our_commit_finds_its_transaction_later(self):
        tx = self._start_approved()
        reference = tx.vipps_payment_reference
        self._store(tx)
        with freeze_time(fields.Datetime.now()) as clock:
            tx.vipps_payment_reference = 'not-committed-yet'
            self._drain()
            self.assertEqual(set(self._get_inbox().mapped('state')), {'unmatched'})
            tx.vipps_payment_reference = reference
            clock.tick(MINUTE)
            self.assertEqual(self._drain(), 1)
        self.assertEqual(tx.state, 'authorized')
        self.assertEqual(set(self._get_inbox().mapped('state')), {'processed'})

    def _tell_by_another_provider(self, tx, **values):
        """ Store an event that came by the webhook of another provider with the same keys. """
        other = self.vipps.copy({**KEYS, 'state': 'test', **values})
        other.action_vipps_set_up_webhooks()
        body = json.dumps(self._prepare_event(tx.vipps_payment_reference)).encode()
        secret = other._vipps_get_secret('vipps_webhook_secret')
        headers = self._sign(body, provider=other, secret=secret)
        self.assertEqual(self._post(body, headers, provider_id=other.id), 200)
        return self._get_inbox()

    def test_event_that_comes_by_another_provider_of_the_company_is_processed(self):
        tx = self._start_approved()
        event = self._tell_by_another_provider(tx)
        self.assertEqual(self._drain(), 1)
        self.assertEqual((event.state, tx.state), ('processed', 'authorized'))

    def test_event_that_comes_by_a_provider_of_another_company_is_ignored(self):
        tx = self._start_approved()
        event = self._tell_by_another_provider(tx, company_id=self.company_data_2['company'].id)
        self.assertEqual(self._drain(), 0)
        self.assertEqual((event.state, tx.state), ('ignored', 'draft'))


@tagged('post_install', '-at_install')
class TestEventJob(EventCommon):
    """ Each payment is read once, the newest event first, and nobody holds up the others. What
    fails is tried again for a week. """

    def test_events_of_one_payment_are_one_read(self):
        tx, other_tx = self._start_approved(), self._start_approved()
        for reference in (tx + other_tx).mapped('vipps_payment_reference'):
            self.simulator.capture(reference, 1000)
            self.simulator.cancel(reference)
        self._store(tx)
        self._store(other_tx)
        self.assertEqual(len(self._get_inbox()), 8)
        self.assertEqual(self._drain(), 2)
        self.assertEqual(set(self._get_inbox().mapped('state')), {'processed'})

    def test_drained_inbox_is_not_read_again(self):
        tx = self._start_approved()
        self._store(tx)
        self.assertEqual(self._drain(), 1)
        self.assertEqual(self._drain(), 0)

    def test_event_that_comes_while_its_payment_is_read_is_read_for_once_more(self):
        tx = self._start_approved()
        self._store(tx)
        late = Event.parse(self._prepare_event(tx.vipps_payment_reference, name='CAPTURED'))
        api_client = type(self.env['vipps.api.client'])
        call_for = api_client._call_for

        def read_and_hear(records, tx, operation):
            answer = call_for(records, tx, operation)
            if operation == 'get':
                records.env['vipps.webhook.event']._store(tx.provider_id, late)
            return answer

        with patch.object(api_client, '_call_for', read_and_hear):
            self.assertEqual(self._drain(), 2)
        event = self._get_inbox()[-1]
        self.assertEqual((event.name, event.state), ('CAPTURED', 'processed'))
        self.assertEqual(self._drain(), 0)

    def test_events_that_tell_of_nothing_new_are_processed_without_a_call(self):
        tx = self._start_approved()
        self._tell(tx.vipps_payment_reference, name='CREATED')
        self.assertEqual(self._drain(), 0)
        self._store(tx)
        self.assertEqual(self._drain(), 1)
        self._capture(tx)
        tx.action_refund(amount_to_refund=100)
        self.assertTrue(tx.vipps_psp_reference and tx._vipps_get_refunds().vipps_psp_reference)
        self._drain()  # What people do is verified once.
        self._store(tx)
        self.assertEqual(self._drain(), 0)
        self.assertEqual(set(self._get_inbox().mapped('state')), {'processed'})
        self.simulator.refund(tx.vipps_payment_reference, 200)
        self._store(tx)
        self.assertEqual(self._drain(), 1)
        self.assertEqual(len(tx._vipps_get_refunds()), 2)

    def test_an_event_of_a_payment_whose_creation_got_no_answer_is_read(self):
        tx = self._start()
        tx.vipps_payment_state = False
        self._tell(tx.vipps_payment_reference, name='CREATED')
        self.assertEqual(self._drain(), 1)
        self.assertEqual(tx.vipps_payment_state, 'CREATED')

    def test_payments_that_something_happened_to_last_are_read_first(self):
        references = [self._start_approved().vipps_payment_reference for _i in range(4)]
        for position, hour in ((2, '09'), (0, '11'), (3, '08'), (1, '10')):
            self._tell(references[position], timestamp=f'2026-01-02T{hour}:00:00Z')
        self._drain()
        self.assertEqual(
            self._get_read_references(), [references[position] for position in (0, 1, 2, 3)]
        )

    @mute_logger('odoo.addons.mobilepay_vipps.models.transaction.sync')
    def test_payment_that_cannot_be_processed_does_not_hold_up_others(self):
        bad_tx, good_tx = self._start_approved(), self._start_approved()
        self._store(bad_tx)
        self._store(good_tx)
        apply_payment = type(good_tx)._process_notification_data

        def fail_for_one(tx, data):
            if tx.id == bad_tx.id:
                raise ZeroDivisionError("fake-detail")
            return apply_payment(tx, data)

        with patch.object(type(good_tx), '_process_notification_data', fail_for_one):
            self._drain()
        self.assertEqual((bad_tx.state, good_tx.state), ('draft', 'authorized'))
        kept = self._get_inbox().filtered(lambda event: event.state == 'pending')
        self.assertEqual(set(kept.mapped('reference')), {bad_tx.vipps_payment_reference})
        self.assertEqual(len(set(kept.mapped('error'))), 1)
        self.assertIn("Something went wrong in Odoo", kept[0].error)

    #=== Trying again ===#

    def _store_captured(self):
        """ Return a transaction whose payment was captured without Odoo's knowing, with events. """
        tx = self._authorize()
        self.simulator.capture(tx.vipps_payment_reference)
        self._store(tx)
        return tx

    def test_without_an_answer_it_is_tried_again_at_most_five_minutes_later(self):
        tx = self._store_captured()
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses(), freeze_time(fields.Datetime.now()) as clock:
            self.assertEqual(self._drain_repeatedly(clock, 5), [1, 2, 4, 5, 5])
            self.assertIn("does not answer", self._get_inbox()[0].error)
            self.assertEqual(tx.state, 'authorized')
            self.simulator.clear_faults()
            self.assertEqual(self._drain(), 1)
        self.assertEqual(tx.state, 'done')
        for event in self._get_inbox():
            self.assertEqual((event.state, event.error), ('processed', False))

    def test_what_is_refused_is_tried_again_at_most_an_hour_later(self):
        self._store_captured()
        self.simulator.fault('get', 'status', status=403, times=None)
        with freeze_time(fields.Datetime.now()) as clock:
            self.assertEqual(self._drain_repeatedly(clock, 8), [1, 2, 4, 8, 16, 32, 60, 60])
        self.assertIn("may not do this", self._get_inbox()[0].error)

    def test_time_that_vipps_mobilepay_asks_for_is_waited(self):
        self._store_captured()
        for status in (429, 503):
            with self.subTest(status=status), freeze_time(fields.Datetime.now()):
                self.simulator.fault('get', 'status', status=status, retry_after=1800)
                self._get_inbox().action_replay()
                self._drain()
                due, = set(self.env['vipps.task'].search([('kind', '=', 'sync')]).mapped('due'))
                self.assertEqual(due - fields.Datetime.now(), timedelta(minutes=30))

    def test_what_fails_for_a_week_is_flagged_once_and_not_tried_anymore(self):
        for _i in range(2):
            self._store_captured()
        self.simulator.fault('get', 'status', status=503, times=None)
        with self._without_pauses(), freeze_time(fields.Datetime.now()) as clock:
            self._drain()
            clock.tick(timedelta(days=6, hours=23))
            self._drain()
            self.assertEqual(set(self._get_inbox().mapped('state')), {'pending'})
            self.assertFalse(self._get_alerts())
            clock.tick(timedelta(hours=2))
            self._drain()
            clock.tick(timedelta(days=1))
            self.assertEqual(self._drain(), 0)
        for event in self._get_inbox():
            self.assertEqual(event.state, 'failed')
            self.assertIn("does not answer", event.error)
        self.assertEqual(len(self._get_alerts()), 1)

    def test_no_more_are_stored_in_an_hour_than_a_shop_can_have_and_none_is_lost(self):
        self.patch(const, 'MAX_EVENTS_PER_HOUR', 2)
        tx = self._start_approved()
        first, late = self._prepare_events(tx)
        self.assertEqual(self._post(first), 200)
        self._tell('other')
        with mute_logger('odoo.addons.mobilepay_vipps.models.jobs.rate_limit'):
            for _i in range(2):
                self.assertEqual(self._post(late), 429)
            self.assertEqual(self._post(first), 200)  # It is there.
        self.assertEqual(len(self._get_inbox()), 2)
        event, = self.env['vipps.audit.event'].sudo().search([('action', '=', 'limited')])
        self.assertIn("events with a valid signature", event.details)
        self.env.cr.execute(
            "UPDATE vipps_webhook_event SET create_date = create_date - interval '1 hour'"
        )
        self.assertEqual(self._post(late), 200)

    def test_what_nobody_dealt_with_is_removed_after_months(self):
        events = self.env['vipps.webhook.event'].sudo()
        for reference, state, days in (
            ('new', 'unmatched', 89), ('old', 'unmatched', 91), ('failed', 'failed', 91),
            ('waiting', 'pending', 91), ('done', 'processed', 2),
        ):
            event = self._tell(reference)
            self.env.cr.execute(
                "UPDATE vipps_webhook_event SET state = %s, error = %s,"
                " create_date = create_date - %s WHERE id = %s",
                [state, state == 'unmatched' and "Not found" or None, timedelta(days=days),
                 event.id],
            )
        events._vipps_purge(self.vipps, fields.Datetime.now() - timedelta(days=1))
        self.assertEqual(
            set(self._get_inbox().mapped('reference')), {'new', 'failed', 'waiting'}
        )

    def test_job_runs_as_often_as_events_may_be_due_again(self):
        cron = self.env.ref('mobilepay_vipps.cron_sync_payments')
        self.assertLessEqual(
            timedelta(**{cron.interval_type: cron.interval_number}), KINDS['sync'][1]
        )
