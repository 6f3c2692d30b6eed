# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import tagged

from .settlement_common import SettlementCommon


@tagged('post_install', '-at_install')
class TestFeeTax(SettlementCommon):
    """ The fees that Vipps MobilePay keeps, with and without tax. """

    def _create_tax(self, amount=25, factors=(100,), has_account=True):
        """ Return a purchase tax with a tag for each part of the tax return. """
        tags = {
            name: self.env['account.account.tag'].create({
                'name': name, 'applicability': 'taxes', 'country_id': self.tax_country.id,
            })
            for name in ('base', 'tax', 'base of refunds', 'tax of refunds')
        }
        account = self.company_data['default_account_revenue'].copy({'code': '271099'})
        values = {}
        for document, suffix in (('invoice', ''), ('refund', ' of refunds')):
            values[f'{document}_repartition_line_ids'] = [Command.clear(), Command.create({
                'repartition_type': 'base', 'tag_ids': [Command.set(tags['base' + suffix].ids)],
            }), *(
                Command.create({
                    'repartition_type': 'tax', 'factor_percent': factor,
                    'account_id': has_account and account.id,
                    'tag_ids': [Command.set(tags['tax' + suffix].ids)],
                })
                for factor in factors
            )]
        tax = self.env['account.tax'].create({
            'name': "VAT on fees", 'type_tax_use': 'purchase', 'amount': amount,
            'company_id': self.company.id, 'country_id': self.tax_country.id, **values,
        })
        return tax, account

    @property
    def tax_country(self):
        return self.company.account_fiscal_country_id

    def _settle_fees(self, amount, **values):
        """ Return the ledger, and the journal items of fees in minor units. """
        ledger = self._set_up(**values)
        self._add('fees-retained', amount)
        self._settle(days=1)
        entry = self._get_entries('fees-retained')[-1]
        self.assertEqual(entry.state, 'matched', entry.reason or ledger.booking_error)
        self._assert_balanced()
        return ledger, entry.statement_line_id.move_id.line_ids.sorted('id')

    def test_fees_without_tax(self):
        ledger, lines = self._settle_fees(-1234)
        self.assertEqual(
            [(line.account_id, line.balance) for line in lines],
            [(ledger.journal_id.default_account_id, -12.34), (ledger.fee_account_id, 12.34)],
        )

    def test_fees_that_are_given_back(self):
        ledger, lines = self._settle_fees(1234)
        self.assertEqual(
            [(line.account_id, line.balance) for line in lines],
            [(ledger.journal_id.default_account_id, 12.34), (ledger.fee_account_id, -12.34)],
        )

    def test_fees_include_their_tax_to_the_ore(self):
        tax, account = self._create_tax()
        for amount in (-1250, -1199, -1, -3, -100001):
            with self.subTest(amount=amount):
                ledger, lines = self._settle_fees(amount, fee_tax_id=tax.id)
                self.assertEqual(len(lines), 3)
                money, fee, paid_tax = lines
                self.assertEqual(money.balance, amount / 100)
                self.assertEqual((fee.account_id, fee.tax_ids), (ledger.fee_account_id, tax))
                self.assertEqual((paid_tax.account_id, paid_tax.tax_line_id), (account, tax))
                self.assertAlmostEqual(fee.balance + paid_tax.balance, -amount / 100)
                self.assertAlmostEqual(paid_tax.balance, -amount / 500, delta=0.005001)
                self.assertEqual(fee.tax_tag_ids.name, 'base')
                self.assertEqual(paid_tax.tax_tag_ids.name, 'tax')
                self.assertFalse((fee | paid_tax).filtered('tax_tag_invert'))
                self.assertAlmostEqual(paid_tax.tax_base_amount, fee.balance)

    def test_fees_of_a_company_that_rounds_the_taxes_of_a_document_as_a_whole(self):
        self.company.tax_calculation_rounding_method = 'round_globally'
        tax, _account = self._create_tax(factors=(50, 50))
        for amount in (-13, -1199):
            with self.subTest(amount=amount):
                _ledger, (money, *others) = self._settle_fees(amount, fee_tax_id=tax.id)
                self.assertEqual(money.balance, amount / 100)
                self.assertAlmostEqual(sum(line.balance for line in others), -amount / 100)
                self.assertAlmostEqual(
                    sum(line.amount_currency for line in others), -amount / 100
                )

    def test_fees_with_tax_that_are_given_back_are_like_a_refund_of_the_vendor(self):
        tax, _account = self._create_tax()
        _ledger, (money, fee, paid_tax) = self._settle_fees(1250, fee_tax_id=tax.id)
        self.assertEqual((money.balance, fee.balance, paid_tax.balance), (12.5, -10, -2.5))
        self.assertEqual(fee.tax_tag_ids.name, 'base of refunds')
        self.assertEqual(paid_tax.tax_tag_ids.name, 'tax of refunds')
        self.assertEqual((fee | paid_tax).mapped('tax_tag_invert'), [True, True])

    def test_a_tax_without_an_account_is_an_expense(self):
        tax, _account = self._create_tax(has_account=False)
        ledger, lines = self._settle_fees(-1250, fee_tax_id=tax.id)
        self.assertEqual(lines.mapped('balance'), [-12.5, 10, 2.5])
        self.assertEqual(lines[1:].account_id, ledger.fee_account_id)

    def test_a_tax_that_the_buyer_owes_is_not_in_the_amount(self):
        tax, account = self._create_tax(factors=(100, -100))
        ledger, lines = self._settle_fees(-1000, fee_tax_id=tax.id)
        self.assertEqual(lines.mapped('balance'), [-10, 10, 2.5, -2.5])
        self.assertEqual(lines[1].account_id, ledger.fee_account_id)
        self.assertEqual(lines[2:].account_id, account)
