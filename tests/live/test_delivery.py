"""A delivery waits neither for Vipps MobilePay nor for another worker that asks it."""

import contextlib

import psycopg2

from tools.rpc import Rpc

from .shop import LiveTest, wait_until


class TestDelivery(LiveTest):

    expected_in_log = (r'urllib3\.', r'addons\.mobilepay_vipps\.')  # Nobody answers.

    @classmethod
    def setUpClass(cls):
        """Sell something that is paid when it is delivered, and hire who delivers it."""
        super().setUpClass()
        cls.rpc('payment.provider', 'write', [cls.provider], {'vipps_capture_mode': 'on_delivery'})
        cls.addClassCleanup(
            cls.rpc, 'payment.provider', 'write', [cls.provider],
            {'vipps_capture_mode': 'automatic'},
        )
        cls.product, = cls.rpc('product.product', 'create', [{
            'name': "Wool hat", 'list_price': 249, 'detailed_type': 'consu', 'is_published': True,
            'invoice_policy': 'delivery',
        }])
        groups = [
            cls.rpc.reference(xmlid) for xmlid in ('base.group_user', 'stock.group_stock_user')
        ]
        cls.rpc('res.users', 'create', {
            'name': "Nils", 'login': 'nils', 'password': 'nils', 'groups_id': [(6, 0, groups)],
        }, context={'no_reset_password': True})
        cls.nils = Rpc(cls.stack.url, cls.stack.odoo.database, 'nils', 'nils')

    def reserve(self):
        """Return the reference of a reserved payment, and the delivery that it waits for."""
        reference = self.start_told_payment()
        self.decide(reference)
        wait_until(lambda: self.transaction(reference)['state'] == 'authorized')
        order = self.order(reference)
        domain = [('sale_id', '=', order['id'])]
        wait_until(lambda: self.rpc('stock.picking', 'search_count', domain))  # It is confirmed.
        picking, = self.rpc('stock.picking', 'search', domain)
        self.assertEqual(self.captured(reference), 0)
        return reference, picking

    def deliver(self, picking):
        """Validate a delivery."""
        self.nils('stock.picking', 'button_validate', [picking], context={'skip_sms': True})
        found, = self.nils('stock.picking', 'read', [picking], ['state'])
        self.assertEqual(found['state'], 'done')

    def captured(self, reference):
        return self.payment(reference)['aggregate']['capturedAmount']['value']

    def assert_captured(self, reference):
        total = self.payment(reference)['amount']['value']
        wait_until(lambda: self.transaction(reference)['state'] == 'done')
        self.assertEqual(self.captured(reference), total)
        self.assertEqual(len(self.calls('capture', reference)), 1)

    @contextlib.contextmanager
    def locked(self, reference):
        """Hold a transaction as a worker does that waits for an answer."""
        variables = self.stack.workspace.server.variables
        with contextlib.closing(psycopg2.connect(
            dbname=self.stack.odoo.database, host=variables.get('PGHOST'),
            port=variables.get('PGPORT'), user=variables.get('PGUSER'),
        )) as connection, connection.cursor() as cursor:
            cursor.execute(
                'SELECT id FROM payment_transaction WHERE reference = %s FOR NO KEY UPDATE',
                [reference],
            )
            yield

    def test_a_delivery_is_captured_at_once(self):
        reference, picking = self.reserve()
        self.deliver(picking)
        self.assert_captured(reference)

    def test_a_delivery_does_not_wait_for_another_worker_on_the_payment(self):
        reference, picking = self.reserve()
        with self.locked(reference):
            self.deliver(picking)
            self.assertEqual(self.captured(reference), 0)
        self.run_job('cron_sync_payments')
        self.assert_captured(reference)

    def test_a_delivery_needs_no_vipps_mobilepay(self):
        reference, picking = self.reserve()
        self.break_api()
        self.deliver(picking)
        self.repair()
        wait_until(lambda: not self.rpc(
            'vipps.task', 'search_count',
            [('transaction_id.reference', '=', reference), ('tries', '=', 0)],
        ))
        self.run_job('cron_sync_payments')
        self.assert_captured(reference)
