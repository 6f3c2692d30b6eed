"""Installing, updating and removing the addon, with a clean log each time."""

from pathlib import Path

from simulator.sales_units import DKK_UNIT
from tools.cache import ADDON
from tools.rpc import RpcError
from tools.workspace import SHOP

from .shop import LiveTest, wait_until

# What settlements have booked: statement lines, their sum in minor units, those that are posted,
# the statements, and journal entries that do not balance.
SETTLED = """
    SELECT count(*), round(sum(line.amount) * 100)::int,
           count(*) FILTER (WHERE move.state = 'posted'), count(DISTINCT line.statement_id),
           count(*) FILTER (WHERE (
               SELECT sum(item.balance) FROM account_move_line item WHERE item.move_id = move.id
           ) != 0)
      FROM account_bank_statement_line line
      JOIN account_move move ON move.id = line.move_id
      JOIN account_journal journal ON journal.id = move.journal_id
     WHERE journal.code LIKE 'VMP%'
"""

REMOVAL_SCRIPT = Path(__file__).parent / 'scripts' / 'remove.py'


class TestUpdate(LiveTest):

    def test_an_update_leaves_open_payments_open(self):
        customer, reference = self.start_payment()
        self.stack.stop_odoo()
        log = self.stack.logs / 'live-update.log'
        self.stack.odoo.install("Updating the addon", [ADDON], log, option='-u')
        self.stack.start_odoo()
        self.decide(reference)
        customer.open(self.return_url(reference))
        self.assert_paid(reference)


class TestRemoval(LiveTest):

    def test_removal_deletes_the_webhook_and_leaves_nothing_but_the_books(self):
        # Payments of another system, which Odoo has no payments for.
        settlement = f'settlements/{DKK_UNIT.msn}'
        self.control('POST', f'{settlement}/entries', entries=[
            {'topic': 'funds', 'entryType': 'capture', 'amount': amount, 'reference': "other"}
            for amount in (10000, 20000)
        ])
        self.control('POST', f'{settlement}/close', payout=True)
        self.control('POST', f'{settlement}/entries', entries=[
            {'topic': 'funds', 'entryType': 'capture', 'amount': 500, 'reference': "other"},
        ])
        before = self.control('GET', 'secrets')['webhookSecrets']
        odoo = self.stack.workspace.odoo('removal', SHOP)
        log = self.stack.logs / 'live-removal.log'
        odoo.install("Installing the addon", [ADDON], log)
        odoo.script(
            "Removing the addon", REMOVAL_SCRIPT, log, simulator_url=self.stack.simulator_url,
            merchant_serial_number=DKK_UNIT.msn, client_id=DKK_UNIT.client_id,
            client_secret=DKK_UNIT.client_secret, subscription_key=DKK_UNIT.subscription_key,
        )
        registered = self.calls('register_webhook')[-1]
        self.assertEqual((registered['msn'], registered['status']), (DKK_UNIT.msn, 201))
        self.assertEqual(self.control('GET', 'secrets')['webhookSecrets'], before)
        (columns, models, terminals), = self.stack.workspace.server.execute(
            "SELECT (SELECT count(*) FROM information_schema.columns WHERE column_name LIKE"
            " 'vipps%'), (SELECT count(*) FROM ir_model WHERE model LIKE 'vipps%'),"
            " (SELECT count(*) FROM pos_payment_method WHERE use_payment_terminal = 'vipps')",
            database=odoo.database,
        )
        self.assertEqual((columns, models, terminals), (0, 0, 0))
        books, = self.stack.workspace.server.execute(SETTLED, database=odoo.database)
        self.assertEqual([*books], [4, 500, 4, 1, 0])


class TestRefusedRemoval(LiveTest):
    expected_in_log = (r'odoo\.http: Vipps MobilePay cannot be uninstalled',)

    def test_payments_in_the_books_keep_everything_as_it_is(self):
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assert_paid(reference)
        before = self.what_removal_would_change()
        module, = self.rpc('ir.module.module', 'search', [('name', '=', ADDON)])
        # Odoo refuses it, too, while a job runs: none is due from now on.
        self.stack.execute("UPDATE ir_cron SET nextcall = nextcall + interval '1 day'")
        self.addCleanup(
            self.stack.execute, "UPDATE ir_cron SET nextcall = nextcall - interval '1 day'"
        )
        wait_until(lambda: self.stack.execute(
            "SELECT (SELECT count(*) FROM vipps_task WHERE tries = 0) + (SELECT count(*)"
            " FROM ir_cron_trigger WHERE call_at <= now() AT TIME ZONE 'UTC')"
        ) == [[0]])
        with self.assertRaisesRegex(RpcError, "Disable the payment provider instead"):
            self.rpc('ir.module.module', 'button_immediate_uninstall', [module])
        self.assertEqual(self.what_removal_would_change(), before)
        _customer, reference = self.start_payment()
        self.decide(reference)
        self.assert_paid(reference)

    def what_removal_would_change(self):
        return (
            self.stack.execute("SELECT * FROM payment_provider ORDER BY id"),
            self.stack.execute(("SELECT state FROM ir_module_module WHERE name = %s", [ADDON])),
            self.control('GET', 'secrets')['webhookSecrets'],
        )
