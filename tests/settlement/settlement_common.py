# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from unittest.mock import patch

from ...models.settlement import matching
from ...simulator.sales_units import NOK_UNIT
from ..common import TransactionCommon


class SettlementCommon(TransactionCommon):
    """ A sales unit whose payments are settled in a ledger of the simulator. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bookkeeper = cls._new_user(
            'vipps_bookkeeper', 'base.group_user,account.group_account_user',
        )
        cls.company.partner_id.lang = 'en_US'

    def setUp(self):
        super().setUp()
        self.settlement = self.simulator.settlement
        self.startPatcher(patch.object(matching, 'after_transaction', self._do_at_once))

    @property
    def today(self):
        """ The open date of the ledger: that of its market, not of UTC. """
        return self.settlement.find(NOK_UNIT.msn).open_date

    def _configure(self, **settings):
        """ Change the settings of the ledger at the simulator. """
        return self.settlement.configure(NOK_UNIT.msn, **settings)

    def _set_up(self, **values):
        """ Return the ledger, found at the simulator and set up with one click. """
        ledger = self.vipps._vipps_find_ledgers()
        ledger.write(values)
        ledger._set_up()
        return ledger

    def _settle(self, days=0):
        """ Close days at the simulator, and run the job. """
        payouts = self.settlement.close(NOK_UNIT.msn, days) if days else []
        self.env['vipps.settlement.ledger'].sudo().search([]).fetch_at = False  # An hour goes by.
        self.env.flush_all()
        for _run in range(2):  # It makes room for payments.
            self.env['vipps.settlement.ledger']._cron_settle()
        self.env.invalidate_all()
        return payouts

    def _sell(self, *amounts, **values):
        """ Return a transaction that is reserved, and of which amounts are captured. """
        tx = self._authorize(amount=sum(amounts), **values)
        for amount in amounts:
            self._capture(tx, amount)
        self._follow_up()
        return tx

    def _look_again(self):
        """ Run the job when it is time to look at the entries that wait. """
        self._get_entries().sudo().filtered(lambda e: e.state == 'waiting').match_at = False
        self._settle()

    def _add(self, entry_type, amount, topic='funds', **values):
        """ Add an entry at the simulator, in minor units. """
        return self.settlement.add_entry(
            NOK_UNIT.msn, topic=topic, entryType=entry_type, amount=amount, **values
        )

    def _assert_balanced(self):
        """ Ensure that debit and credit are the same, in each journal entry and in each currency.
        """
        lines = self._get_entries().statement_line_id.move_id.line_ids
        for move, balance, amount_currency in lines._read_group(
            [('id', 'in', lines.ids)], ['move_id'], ['balance:sum', 'amount_currency:sum'],
        ):
            self.assertAlmostEqual(balance, 0, 6, move.name)
            self.assertAlmostEqual(amount_currency, 0, 6, move.name)

    def _get_entries(self, *types):
        return self.env['vipps.settlement.entry'].search([
            ('topic', '=', 'funds'), *([('entry_type', 'in', types)] if types else []),
        ], order='ledger_date, sequence')

    def _get_balances(self, lines):
        """ Return the balance of each account that has one, by its name. """
        return {
            account.name: balance for account, balance in lines._read_group(
                [('id', 'in', lines.ids), ('parent_state', '=', 'posted')], ['account_id'],
                ['balance:sum'],
            ) if balance
        }

    def _receive(self, amount, text, date=None, journal=None, **values):
        """ Return a new line of the bank statement. """
        return self.env['account.bank.statement.line'].create({
            'journal_id': (journal or self.company_data['default_journal_bank']).id,
            'date': date or self.today,
            'payment_ref': text,
            'amount': amount,
            **values,
        })
