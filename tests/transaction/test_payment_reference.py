# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.fields import Command
from odoo.tests import tagged

from ..common import VippsCommon


@tagged('post_install', '-at_install')
class TestPaymentReference(VippsCommon):

    def _compute(self, prefix=None, **values):
        return self.env['payment.transaction']._compute_reference('vipps', prefix=prefix, **values)

    def _get_database_prefix(self):
        return self.env['payment.transaction']._vipps_get_reference_prefix()

    def _assert_is_reference(self, reference):
        self.assertRegex(reference, r'\A[a-zA-Z0-9-]{8,64}\Z')
        self.assertTrue(
            reference.startswith(f'{self._get_database_prefix()}-'),
            f"{reference!r} does not begin with the prefix of this database",
        )

    def _create_invoice(self, name):
        invoice = self.env['account.move'].create({
            'move_type': 'out_invoice',
            'name': name,
            'invoice_date': '2024-05-17',
            'partner_id': self.partner.id,
            'invoice_line_ids': [Command.create({
                'product_id': self.product.id, 'price_unit': 249.5, 'tax_ids': [Command.clear()],
            })],
        })
        invoice.action_post()
        return invoice

    def test_reference_of_an_order_contains_its_number(self):
        order = self._create_order(name='S00042')
        reference = self._compute(sale_order_ids=[Command.set(order.ids)])
        self._assert_is_reference(reference)
        self.assertIn('-S00042-', reference)

    def test_reference_of_an_invoice_contains_its_number_in_allowed_characters(self):
        invoice = self._create_invoice('INV/2024/0007')
        reference = self._compute(invoice_ids=[Command.set(invoice.ids)])
        self._assert_is_reference(reference)
        self.assertIn('-INV-2024-0007-', reference)

    def test_reference_of_a_payment_link_contains_its_prefix(self):
        reference = self._compute(prefix="Donation 2024")
        self._assert_is_reference(reference)
        self.assertIn('-Donation-2024-', reference)

    def test_reference_of_a_payment_without_document_is_valid(self):
        for prefix in (None, '', '/', '日本'):
            with self.subTest(prefix=prefix):
                self._assert_is_reference(self._compute(prefix=prefix))

    def test_reference_keeps_the_letters_of_names_with_accents(self):
        reference = self._compute(prefix="Försäljning/é12")
        self._assert_is_reference(reference)
        self.assertIn('-Forsaljning-e12-', reference)

    def test_reference_of_a_long_document_keeps_its_beginning_and_stays_unique(self):
        references = {self._compute(prefix='CONTRACT-' + '7' * 200) for _i in range(3)}
        self.assertEqual(len(references), 3)
        for reference in references:
            self._assert_is_reference(reference)
            self.assertIn('-CONTRACT-777', reference)

    def test_each_attempt_to_pay_an_order_has_a_reference_of_its_own(self):
        order = self._create_order()
        txs = [
            self._create_transaction('redirect', sale_order_ids=[Command.set(order.ids)])
            for _i in range(3)
        ]
        self.assertEqual(len({tx.reference for tx in txs}), 3)

    def test_the_payment_has_the_reference_of_the_transaction(self):
        tx = self._create_transaction('redirect')
        self.assertEqual(tx.vipps_payment_reference, tx.reference)

    def test_the_payment_of_a_reference_that_is_not_allowed_has_one_that_is(self):
        tx = self._create_transaction('redirect', reference='tx_1/2')
        self.assertEqual(tx.reference, 'tx_1/2')
        self._assert_is_reference(tx.vipps_payment_reference)

    def test_another_database_has_another_prefix(self):
        first = self._get_database_prefix()
        self.env['ir.config_parameter'].set_param(
            'database.uuid', '4e3f4e2c-1111-4e2c-8888-000000000001'
        )
        self.assertNotEqual(self._get_database_prefix(), first)

    def test_children_keep_the_references_of_core_and_have_no_payment_of_their_own(self):
        tx = self._create_transaction('redirect')
        capture = tx._create_child_transaction(100)
        refund = tx._create_child_transaction(100, is_refund=True)
        second_refund = tx._create_child_transaction(50, is_refund=True)
        self.assertEqual(capture.reference, f'P-{tx.reference}')
        self.assertEqual(refund.reference, f'R-{tx.reference}')
        self.assertEqual(second_refund.reference, f'R-{tx.reference}-1')
        self.assertFalse((capture + refund + second_refund).filtered('vipps_payment_reference'))

    def test_other_providers_keep_the_references_of_core(self):
        reference = self.env['payment.transaction']._compute_reference(
            self.dummy_provider.code, prefix='INV/2024/0007'
        )
        self.assertEqual(reference, 'INV/2024/0007')

    @settings(deadline=None, database=None)
    @given(st.text(max_size=300))
    def test_reference_of_any_document_is_valid_and_new(self, prefix):
        references = {self._compute(prefix=prefix) for _i in range(2)}
        self.assertEqual(len(references), 2)
        for reference in references:
            self._assert_is_reference(reference)

    @settings(deadline=None, database=None)
    @given(st.from_regex(r'[A-Z]{1,5}/20[0-9]{2}/[0-9]{4,6}', fullmatch=True))
    def test_reference_of_any_usual_document_contains_its_number(self, name):
        self.assertIn(f"-{re.sub('/', '-', name)}-", self._compute(prefix=name))

    def test_nobody_chooses_the_reference_of_a_payment(self):
        own = self.env['payment.transaction']._vipps_get_reference_prefix()
        for prefix in ('BBBBB-S00042-XYZ234', f'AAAAA-{own}-XYZ234', f'{own}-S00042-XYZ234'):
            with self.subTest(prefix=prefix):
                reference = self.env['payment.transaction']._compute_reference(
                    'vipps', prefix=prefix
                )
                self.assertTrue(reference.startswith(f'{own}-'))
                self.assertNotEqual(reference, prefix)
        tx = self._create_transaction('redirect', reference='BBBBB-S00042-XYZ234')
        self.assertTrue(tx.vipps_payment_reference.startswith(f'{own}-BBBBB-S00042'))
