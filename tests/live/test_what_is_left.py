"""The remains of a purchase in the log, the database and the files: nothing secret."""

import re
from collections import Counter

from simulator.payment import EXAMPLE_STREET
from simulator.sales_units import NOK_UNIT

from .shop import LiveTest

ACCESS_LINE = re.compile(r'^\S+ \S+ \d+ INFO \S+ werkzeug: .*"GET /payment/vipps/return\?')

# At this level, Odoo itself logs what an administrator enters in a form; here the keys.
ENTERED_KEYS = re.compile(
    r'^.* DEBUG \S+ odoo\.api: call payment\.provider\(.*\)\.write\(.*$', re.M
)
# And the HTTP library the path of each request, with who the customer is.
REQUESTED_PATHS = re.compile(r'^.* DEBUG \S+ urllib3\.connectionpool: .*$', re.M)

COLLECTED = {
    'vipps_collect_user_info': True,
    'vipps_scope_name': True, 'vipps_scope_email': True, 'vipps_scope_address': True,
}


class TestWhatIsLeft(LiveTest):

    def setUp(self):
        """Buy something, completely, and share who buys it."""
        super().setUp()
        # Other tests have customers who live there, and say so.
        self.before = self.count_rows([EXAMPLE_STREET])
        self.rpc('payment.provider', 'write', [self.provider], COLLECTED)
        self.addCleanup(
            self.rpc, 'payment.provider', 'write', [self.provider],
            {'vipps_collect_user_info': False},
        )
        customer = self.new_customer()
        values = customer.press_pay()
        landing_token = customer.follow(values).url.partition('token=')[2]
        self.reference = values['reference']
        self.decide(self.reference)
        customer.open(self.return_url(self.reference))
        self.read_status(customer)
        self.assert_paid(self.reference)
        self.run_job('cron_sync_payments')

        given_out = self.control('GET', 'secrets')
        self.assertIn(landing_token, given_out['landingTokens'])
        self.secrets = {
            'client id': NOK_UNIT.client_id,
            'client secret': NOK_UNIT.client_secret,
            'subscription key': NOK_UNIT.subscription_key,
            'encryption key': self.key_file().read_text().strip(),
            'landing token': landing_token,
            **{f'access token {i}': token for i, token in enumerate(given_out['accessTokens'])},
            **{f'webhook secret of {url}': s for url, s in given_out['webhookSecrets'].items()},
        }
        self.phone = self.payment(self.reference)['request']['customer']['phoneNumber']
        # Who the customer is to the shop, and an address that was never typed there.
        sub, = self.stack.execute((
            "SELECT vipps_user_sub FROM payment_transaction WHERE reference = %s",
            [self.reference],
        ))[0]
        self.shared = {'customer': sub, 'street': EXAMPLE_STREET}
        self.return_token = self.return_url(self.reference).partition('access_token=')[2]

    def key_file(self):
        return self.stack.odoo.data_dir / 'mobilepay_vipps' / 'encryption.key'

    def found_in(self, text, needles):
        return [name for name, needle in needles.items() if needle in text]

    def test_the_log_of_the_whole_layer_tells_no_secret(self):
        log = ENTERED_KEYS.sub('', self.stack.log_path.read_text(encoding='utf-8'))
        log = REQUESTED_PATHS.sub('', log)
        self.assertIn(' DEBUG ', log)
        self.assertIn(self.reference, log)
        tokens = self.control('GET', 'secrets')['landingTokens']
        secrets = {**self.secrets, **{f'landing token {i}': t for i, t in enumerate(tokens)}}
        self.assertEqual(self.found_in(log, {
            **secrets, 'phone': self.phone, **self.shared,
        }), [])

    def test_the_signature_of_the_return_is_in_the_access_line_only(self):
        lines = [
            line for line in self.stack.log_path.read_text(encoding='utf-8').splitlines()
            if self.return_token in line
        ]
        self.assertTrue(lines)
        self.assertEqual([line for line in lines if not ACCESS_LINE.search(line)], [])

    def test_the_database_holds_no_secret(self):
        self.assertIn('payment_transaction', self.count_rows([self.reference]))
        needles = [*self.secrets.values(), self.phone, self.return_token]
        self.assertFalse(self.count_rows(needles))
        # What was shared is kept in one place, which is cleared in time.
        place = Counter(payment_transaction=1)
        self.assertEqual(self.count_rows([self.shared['customer']]), place)
        self.assertEqual(self.count_rows([EXAMPLE_STREET]) - self.before, place)

    def count_rows(self, needles):
        """Return how many rows of each table have one of the needles in any column."""
        tables = self.stack.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        query = ' UNION ALL '.join(
            f"SELECT '{table}' AS name FROM \"{table}\" row WHERE EXISTS ("
            f"SELECT FROM unnest(%(needles)s) needle WHERE strpos(row::text, needle) > 0)"
            for table, in tables
        )
        return Counter(dict(self.stack.execute((
            f'SELECT name, count(*) FROM ({query}) hits GROUP BY name', {'needles': needles},
        ))))

    def test_the_files_hold_no_secret(self):
        """Attachments and sessions among them; the encryption key is only where it belongs."""
        self.assertEqual(self.key_file().stat().st_mode & 0o777, 0o600)
        files = [
            path for path in self.stack.odoo.data_dir.rglob('*')
            if path.is_file() and path != self.key_file()
        ]
        self.assertTrue([path for path in files if 'sessions' in path.parts])
        secrets = {
            **self.secrets, 'phone': self.phone, 'return token': self.return_token, **self.shared,
        }
        for path in files:
            text = path.read_bytes().decode('latin-1')
            self.assertEqual(self.found_in(text, secrets), [], path)
