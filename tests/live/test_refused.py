"""Refused webhooks cost nothing, however many there are."""

from concurrent.futures import ThreadPoolExecutor

from tools.odoo_log import RECORD

from .shop import LiveTest, wait_until

COUNT, CONNECTIONS = 2000, 8

# Every version of every row. Jobs can look at events of other payments meanwhile.
TRACES = ' UNION ALL '.join(
    f"SELECT '{table}' AS name, id, {version} AS version FROM {table}" for table, version in (
        ('payment_provider', "xmin::text"),
        ('vipps_webhook_event', "CASE WHEN reference = %(reference)s THEN xmin::text END"),
        ('mail_activity', "xmin::text"),
        ('ir_logging', "xmin::text"),
    )
) + ' ORDER BY name, id'

LIMITED = 'are limited for some minutes'


class TestFlood(LiveTest):
    expected_in_log = (LIMITED,)

    def test_thousands_of_refused_requests_leave_nothing_and_stop_nobody(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assert_paid(reference)
        wait_until(lambda: [
            event['state'] for event in self.inbox(['reference', '=', reference])
        ] == ['processed'] * 3)
        body = self.event_body(reference, 'CREATED')
        wrong = [
            {'Authorization': None, 'X_Ms_Date': None},
            {'Authorization': 'HMAC-SHA256 Signature=AAAA'},
            {'Authorization': 'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256'},
            {'X_Ms_Content_Sha256': 'AAAA'},
        ]
        secret = self.webhook_secret()

        def send(number):
            if number % 500 == 250:
                return self.send_event(body, secret)
            if number % 500 == 0:
                return self.send_event(b'x' * (64 * 1024 + 1), secret)
            return self.send_event(body, secret, **wrong[number % len(wrong)])

        traces = (TRACES, {'reference': reference})
        before = self.stack.execute(traces)
        log_size = self.stack.log_path.stat().st_size
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            statuses = list(pool.map(send, range(COUNT)))
        self.assertEqual(set(statuses[250::500]), {200})
        self.assertEqual(set(statuses[::500]), {413})
        self.assertEqual(set(statuses) - {200, 413}, {401, 429})
        self.assertLess(statuses.count(401), 100)
        self.assertEqual(self.stack.execute(traces), before)
        # Each worker can find out, and again when a limit ends: that is not one line per request.
        self.assertLess(len(self.noticed_since(log_size)), 100)

    def noticed_since(self, log_size):
        """Return the log about the requests, but one line of Odoo for each."""
        with self.stack.log_path.open(encoding='utf-8') as log:
            log.seek(log_size)
            records = [match for match in map(RECORD.match, log) if match]
        return [
            match[0] for match in records if match['level'] != 'DEBUG'
            and not match['logger'].startswith(('werkzeug', 'odoo.addons.base.models.ir_cron'))
        ]
