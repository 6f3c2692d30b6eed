"""Events of real payments that come twice, too early, too late, all at once, or after an outage."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

from .shop import LiveTest, at_once, wait_until
from .stopping_point import stopping_point

OLD_EVENTS = """
    INSERT INTO vipps_webhook_event (
        provider_id, name, reference, psp_reference, amount, currency, event_time, success, state,
        create_date, write_date
    )
    SELECT %s, 'AUTHORIZED', 'outage-' || number, 'outage-' || number, 100, 'NOK',
           moment, true, 'pending', moment, moment
      FROM generate_series(1, %s) number, (SELECT now() - interval '3 hours' AS moment) times
"""
# Transactions of which Vipps MobilePay knows nothing, as after a backup was restored there.
OLD_TRANSACTIONS = """
    INSERT INTO payment_transaction
    SELECT (jsonb_populate_record(tx, jsonb_build_object(
               'id', nextval('payment_transaction_id_seq'),
               'reference', 'outage-' || number,
               'vipps_payment_reference', 'outage-' || number
           ))).*
      FROM payment_transaction tx, generate_series(1, %s) number
     WHERE tx.reference = %s
"""


class TestInbox(LiveTest):

    def approve_untold(self):
        """Return an approved payment whose events are lost, and its last event as it is sent."""
        _customer, reference = self.start_payment()
        self.fault('webhook', 'lost', reference=reference)
        self.decide(reference)
        return reference, self.event_body(reference)

    def events_of(self, reference, name='AUTHORIZED'):
        return self.inbox(['reference', '=', reference], ['name', '=', name])

    def test_the_same_event_to_both_workers_at_once_is_stored_and_captured_once(self):
        payments = at_once(*[self.approve_untold] * 3)
        sent = [body for _reference, body in payments] * 8
        with ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(self.send_event, sent)), {200})
        for reference, _body in payments:
            self.assert_paid(reference)
            self.assertEqual(len(self.events_of(reference)), 1)
            self.assertEqual(len(self.calls('capture', reference)), 1)

    def test_an_event_that_is_faster_than_the_commit_is_found_again(self):
        customer = self.new_customer()
        with (
            stopping_point(
                self.stack, 'payment_transaction',
                f"NEW.vipps_payment_state = 'CREATED' AND NEW.id > {self.last_transaction()}",
            ) as point,
            ThreadPoolExecutor(1) as pool,
        ):
            starting = pool.submit(customer.start_payment)
            point.wait()
            reference = self.control('GET', 'payments')['payments'][-1]['reference']
            self.decide(reference)
            wait_until(lambda: {
                event['state'] for event in self.events_of(reference)
            } == {'unmatched'})
            point.release()
            self.assertEqual(starting.result()['reference'], reference)
        self.run_job('cron_sync_payments')
        self.assert_paid(reference)
        self.assertEqual(self.events_of(reference)[0]['state'], 'processed')

    def test_an_event_that_is_repeated_days_later_changes_nothing(self):
        reference, body = self.approve_untold()
        self.assertEqual(self.send_event(body), 200)
        self.assert_paid(reference)
        old = 'Thu, 01 Jan 2026 12:00:00 GMT'
        self.assertEqual(self.send_event(body, date=old), 200)
        self.assertEqual([event['state'] for event in self.events_of(reference)], ['processed'])
        # When nobody remembers it anymore, the payment is read once more.
        self.stack.execute(('DELETE FROM vipps_webhook_event WHERE reference = %s', [reference]))
        reads = len(self.calls('get', reference))
        self.assertEqual(self.send_event(body, date=old), 200)
        wait_until(lambda: [
            event['state'] for event in self.events_of(reference)
        ] == ['processed'])
        self.assertEqual(len(self.calls('get', reference)), reads + 1)
        self.assert_paid(reference)

    def test_a_replay_changes_nothing_either(self):
        reference, body = self.approve_untold()
        self.send_event(body)
        self.assert_paid(reference)
        event, = self.events_of(reference)
        reads = len(self.calls('get', reference))
        self.rpc('vipps.webhook.event', 'action_replay', [event['id']])
        wait_until(lambda: self.events_of(reference)[0]['state'] == 'processed')
        self.assertEqual(len(self.calls('get', reference)), reads + 1)
        self.assert_paid(reference)


class TestManyAtOnce(LiveTest):

    def test_several_drains_at_once_capture_each_payment_once(self):
        references = [reference for _customer, reference in at_once(*[self.start_payment] * 4)]
        self.fault('get', 'refuse', code='5090')
        for reference in references:
            self.decide(reference)
        wait_until(lambda: [bool(event['error']) for event in self.left(references)] == [True] * 4)
        self.repair()
        # Odoo runs a job only once at a time, so that others do the same.
        job = self.rpc.reference('mobilepay_vipps.cron_sync_payments')
        copies = [self.rpc('ir.cron', 'copy', job, {'active': False}) for _worker in range(2)]
        self.addCleanup(self.rpc, 'ir.cron', 'unlink', copies)
        self.stack.execute(
            "UPDATE vipps_task SET due = now() - interval '1 second'"
        )
        at_once(
            *(lambda copy=copy: self.rpc('ir.cron', 'method_direct_trigger', [copy])
              for copy in copies),
            lambda: self.run_job('cron_sync_payments'),
            lambda: self.run_job('cron_sync_payments'),
        )
        for reference in references:
            self.assert_paid(reference)
            keys = {call['idempotency_key'] for call in self.calls('capture', reference)}
            self.assertEqual(len(keys), 1)
        wait_until(lambda: not self.left(references))

    def left(self, references):
        """Return the events of approvals that are still to be dealt with."""
        return self.inbox(
            ['reference', 'in', references], ['name', '=', 'AUTHORIZED'], ['state', '=', 'pending']
        )


class TestAfterAnOutage(LiveTest):
    unknown, known = 5000, 400

    def setUp(self):
        super().setUp()
        self.references = [self.start_told_payment() for _customer in range(3)]
        self.addCleanup(self.forget)
        self.stack.execute(
            (OLD_TRANSACTIONS, [self.known, self.references[0]]),
            (OLD_EVENTS, [self.provider, self.unknown + self.known]),
        )

    def forget(self):
        """Remove the remains of the outage."""
        self.remove(
            "DELETE FROM vipps_task WHERE transaction_id IN"
            " (SELECT id FROM payment_transaction WHERE reference LIKE 'outage-%')",
            *(
                f"DELETE FROM {table} WHERE reference LIKE 'outage-%'"
                for table in ('vipps_webhook_event', 'payment_transaction')
            ),
        )

    def count_untouched(self):
        (count,), = self.stack.execute(
            "SELECT count(*) FROM vipps_webhook_event WHERE state = 'pending'"
            " AND error IS NULL AND reference LIKE 'outage-%'"
        )
        return count

    def test_thousands_of_old_events_do_not_block_the_new_ones(self):
        self.start_job('cron_sync_payments')
        wait_until(lambda: self.count_untouched() < self.unknown + self.known)
        for reference in self.references:
            self.decide(reference)
            wait_until(lambda: self.transaction(reference)['state'] == 'done')  # noqa: B023
            self.assertGreater(self.count_untouched(), 0)
        self.forget()  # Booking waits until the run of the other job ends.
        self.assert_paid(reference)


class TestStrangeEvents(LiveTest):
    """Nothing that an authentic sender sends is refused: it would only come again."""

    expected_in_log = (r'A webhook of provider \d+ is not an event of a payment',)
    numbers = itertools.count()

    def setUp(self):
        super().setUp()
        self.event = {
            'msn': '123456', 'reference': 'strange-1', 'pspReference': '1', 'name': 'AUTHORIZED',
            'amount': {'currency': 'NOK', 'value': 100}, 'timestamp': '2026-01-01T12:00:00.000Z',
            'success': True,
        }
        self.addCleanup(self.stack.execute, (
            "DELETE FROM vipps_webhook_event WHERE reference LIKE 'strange-%%'"
            " OR reference NOT SIMILAR TO '[A-Za-z0-9-]{8,64}'"
        ))

    def change(self, **changes):
        """Return the event with some changes, as new; None leaves a field out."""
        event = {**self.event, 'pspReference': f'strange-{next(self.numbers)}', **changes}
        return json.dumps({k: v for k, v in event.items() if v is not None}).encode()

    def test_every_signed_request_is_taken(self):
        changes = {
            'another sales unit': {'msn': '999999'},
            'sales unit as a number': {'msn': 123456},
            'no sales unit': {'msn': None},
            'unknown event': {'name': 'TELEPORTED'},
            'no name': {'name': None},
            'long name': {'name': 'X' * 10_000},
            'unknown field': {'surprise': {'a': [1, 2]}},
            'no amount': {'amount': None},
            'amount as text': {'amount': {'currency': 'NOK', 'value': '100'}},
            'amount beyond a column': {'amount': {'currency': 'NOK', 'value': 2 ** 31}},
            'amount of 300 digits': {'amount': {'currency': 'NOK', 'value': 10 ** 300}},
            'negative amount': {'amount': {'currency': 'NOK', 'value': -1}},
            'fraction': {'amount': {'currency': 'NOK', 'value': 1.5}},
            'no currency': {'amount': {'value': 1}},
            'NUL in the reference': {'reference': 'strange-\0'},
            'NUL in the pspReference': {'pspReference': 'strange-\0'},
            'NUL in the name': {'name': 'AUTH\0'},
            'NUL in the currency': {'amount': {'currency': 'N\0K', 'value': 1}},
            'NUL in the sales unit': {'msn': '\0'},
            'lone surrogate in the reference': {'reference': 'strange-\ud800'},
            'lone surrogate in the pspReference': {'pspReference': 'strange-\udfff'},
            'lone surrogate in the name': {'name': '\ud800'},
            'long reference': {'reference': 'strange-' + 'x' * 10_000},
            'long pspReference': {'pspReference': 'strange-' + 'x' * 10_000},
            'empty reference': {'reference': ''},
            'year 1': {'timestamp': '0001-01-01T00:00:00Z'},
            'before the year 1': {'timestamp': '0001-01-01T00:00:00+14:00'},
            'year 9999': {'timestamp': '9999-12-31T23:59:59.999Z'},
            'after the year 9999': {'timestamp': '9999-12-31T23:59:59-14:00'},
            'no timestamp': {'timestamp': None},
            'timestamp as a number': {'timestamp': 1767268800},
            'success as text': {'success': 'true'},
            'not successful': {'success': False},
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.assertEqual(self.send_event(self.change(**change)), 200)

    def test_a_signed_request_without_an_event_is_taken(self):
        bodies = {
            'empty': b'',
            'no JSON': b'{',
            'no UTF-8': b'{"reference": "\xff"}',
            'a byte order mark': b'\xef\xbb\xbf' + self.change(),
            'a list': b'[1]',
            'a number': b'1',
            'null': b'null',
            'NaN': self.change().replace(b'100', b'NaN'),
            'an endless number': self.change().replace(b'100', b'1' * 5000),
            'deep': b'[' * 30_000 + b']' * 30_000,
            'deep inside': self.change().replace(b'100', b'[' * 30_000 + b']' * 30_000),
            'the same name twice': b'{"reference": "a", "reference": "b"}',
        }
        for name, body in bodies.items():
            with self.subTest(name):
                self.assertEqual(self.send_event(body), 200)

    def test_an_event_of_another_sales_unit_or_without_effect_is_ignored(self):
        _customer, reference = self.start_payment()
        created = [['reference', '=', reference], ['state', '=', 'processed']]
        wait_until(lambda: self.inbox(*created))
        reads = len(self.calls('get', reference))
        for change in ({'msn': '999999'}, {'success': False}):
            with self.subTest(**change):
                body = self.change(reference=reference, name='AUTHORIZED', **change)
                psp_reference = json.loads(body)['pspReference']
                self.assertEqual(self.send_event(body), 200)
                event, = self.inbox(['psp_reference', '=', psp_reference])
                self.assertEqual(event['state'], 'ignored')
        self.assertEqual(len(self.calls('get', reference)), reads)

    def test_an_event_that_lacks_nothing_important_leads_to_the_payment(self):
        _customer, reference = self.start_payment()
        self.fault('webhook', 'lost', reference=reference)
        self.decide(reference)
        body = self.change(reference=reference, msn=123456, amount=None, name='TELEPORTED')
        self.assertEqual(self.send_event(body), 200)
        self.assert_paid(reference)
