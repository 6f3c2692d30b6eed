# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import ExitStack, contextmanager
from inspect import isfunction
from unittest.mock import patch

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from .pos_common import PosCommon

OURS = 'odoo.addons.mobilepay_vipps.'


@tagged('post_install', '-at_install')
class TestOthersUndisturbed(PosCommon):
    """ Orders, payments and tills that are not ours cost no query more than without this addon, and
    come to the same. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(patch.object(
            type(cls.env['payment.provider']), '_compute_feature_support_fields',
            lambda providers: providers.update({
                'support_express_checkout': False, 'support_manual_capture': 'partial',
                'support_refund': 'partial', 'support_tokenization': False,
            }),
        ))
        cls.goods = cls.env['product.product'].create({
            'name': "Mittens", 'type': 'consu', 'invoice_policy': 'delivery', 'list_price': 100,
            'taxes_id': [Command.clear()],
        })
        method = cls.env['pos.payment.method'].create({
            'name': "Cash at the kiosk", 'company_id': cls.company.id,
            'journal_id': cls.env['account.journal'].create({
                'name': "Kiosk cash", 'type': 'cash', 'code': 'KCASH', 'company_id': cls.company.id,
            }).id,
        })
        cls.other_config = cls._create_config(
            "Kiosk", payment_method_ids=[Command.set(method.ids)],
        )
        cls.bank_journal = cls.company_data['default_journal_bank']
        cls.unknown_method = cls.env.ref('payment.payment_method_unknown')
        cls.unknown_method.support_refund = 'partial'
        cls.partner.email = 'kari@example.com'

    #=== Helpers ===#

    @contextmanager
    def _without_overrides(self):
        """ Replace our overrides of other addons' methods by the overridden ones. """
        with ExitStack() as stack:
            for name in self.env.registry.models:
                model_class = self.env.registry[name]
                classes = model_class.__mro__
                for index, definition in enumerate(classes):
                    if not definition.__module__.startswith(f'{OURS}models') and (
                        not definition.__module__.startswith(f'{OURS}wizards')
                    ):
                        continue
                    for method in [key for key, value in vars(definition).items() if (
                        isfunction(value) and not key.startswith('__') and any(
                            key in vars(other) for other in classes[index + 1:]
                            if not other.__module__.startswith(OURS)
                        )
                    )]:
                        stack.enter_context(patch.object(
                            definition, method, self._call_super(definition, method),
                        ))
            yield

    def _call_super(self, definition, method):
        def call(records, *args, **kwargs):
            return getattr(super(definition, records), method)(*args, **kwargs)
        return call

    def _compare(self, do, lookups=0):
        """ Do something with and without our overrides, and compare the result and the queries.

        :param function do: Returns what is compared.
        :param int lookups: How often our payments may be looked up by number.
        """
        self._count(do)  # What is looked up once.
        with self._without_overrides():
            queries, result = self._count(do)
        own_queries, own_result = self._count(do)
        self.assertEqual(own_result, result)
        self.assertLessEqual(len(own_queries), len(queries) + lookups, '\n'.join(
            query for query in own_queries if own_queries.count(query) > queries.count(query)
        ))

    def _count(self, do):
        self.env.flush_all()
        self.env.invalidate_all()
        queries = []
        execute = type(self.env.cr).execute

        def record(cursor, query, *args, **kwargs):
            queries.append(' '.join(str(getattr(query, 'code', query)).split()))
            return execute(cursor, query, *args, **kwargs)

        with patch.object(type(self.env.cr), 'execute', record):
            result = do()
            self.env.flush_all()
            self.env.cr.precommit.run()
        return queries, result

    def _forget_methods(self):
        """ Have a database whose tills never took our payments. """
        self.env.flush_all()
        # Core refuses to change the methods of a session that is open.
        self.env.cr.execute("UPDATE pos_payment_method SET use_payment_terminal = NULL")
        self.env.invalidate_all()
        self.env.registry.clear_cache()
        self.addCleanup(self.env.registry.clear_cache)

    def _order(self, **values):
        return self.env['sale.order'].create({
            'partner_id': self.partner.id,
            'order_line': [Command.create({
                'product_id': self.goods.id, 'product_uom_qty': 2, 'price_unit': 100,
            })],
            **values,
        })

    def _create_move(self, move_type):
        return self.env['account.move'].create({
            'move_type': move_type,
            'partner_id': self.partner.id,
            'invoice_date': fields.Date.today(),
            'invoice_line_ids': [Command.create({
                'product_id': self.goods.id, 'quantity': 2, 'price_unit': 100,
                'tax_ids': [Command.clear()],
            })],
        })

    def _describe(self, moves):
        return [
            (move.state, move.payment_state, move.amount_total, move.amount_residual,
             sorted(move.line_ids.mapped('balance')))
            for move in moves
        ]

    def _open(self, model, records):
        """ Return a dialog as a list or a form opens it. """
        return self.env[model].with_context(
            active_model=records._name, active_id=records[:1].id, active_ids=records.ids,
        )

    def _pay(self, order):
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=order.amount_total,
            payment_method_id=self.unknown_method.id, reference=f'other-{order.id}',
            sale_order_ids=[Command.set(order.ids)],
        )
        tx._set_authorized()
        return tx

    def _sell(self, session, **values):
        payment = self._prepare_ui_payment(45, session.payment_method_ids)
        return self.env['pos.order'].browse(
            self.env['pos.order'].create_from_ui([self._prepare_ui_order(
                payments=[payment], session=session, **values
            )])[0]['id']
        )

    #=== Cases ===#

    def test_an_order_is_confirmed_delivered_and_cancelled(self):
        def do():
            orders = self._order() | self._order()
            self.env.flush_all()
            orders.action_confirm()
            self.env.flush_all()
            orders[0].order_line.product_uom_qty = 3
            self.env.flush_all()
            picking = orders[0].picking_ids
            picking.move_ids.write({'quantity': 3, 'picked': True})
            picking._action_done()
            self.env.flush_all()
            orders[1].action_cancel()
            return [
                (order.state, order.delivery_status, order.amount_total) for order in orders
            ]

        self._compare(do)

    def test_a_payment_of_another_provider_is_captured(self):
        def do():
            order = self._create_order()
            tx = self._pay(order)
            action = tx.action_capture()
            wizard = self.env['payment.capture.wizard'].with_context(**action['context']).create({
                'amount_to_capture': 100,
            })
            amounts = (wizard.authorized_amount, wizard.captured_amount, wizard.available_amount)
            wizard.action_capture()
            child = tx.child_transaction_ids
            child._set_done()
            return (
                amounts, tx.state, child.amount, order.state, order.amount_paid, action['name'],
                action.get('view_id'),
            )

        # Whose payment it is, when the dialog opens and when it captures.
        self._compare(do, lookups=2)

    def test_a_payment_of_another_provider_is_released(self):
        def do():
            order = self._create_order()
            tx = self._pay(order)
            tx.action_void()
            tx._set_canceled()
            return tx.state, len(tx.child_transaction_ids), order.state, order.amount_paid

        self._compare(do)

    def test_a_payment_of_another_provider_is_refunded(self):
        def do():
            order = self._create_order()
            tx = self._pay(order)
            tx._set_done()
            payment = self.env['account.payment'].create({
                'amount': tx.amount, 'partner_id': self.partner.id,
                'journal_id': self.bank_journal.id, 'payment_transaction_id': tx.id,
            })
            payment.action_post()
            tx.payment_id = payment
            action = payment.action_refund_wizard()
            wizard = self._open(action['res_model'], payment).create({'amount_to_refund': 100})
            wizard.action_refund()
            refund_tx = tx.child_transaction_ids
            refund_tx._set_done()
            return (
                wizard.support_refund, wizard.amount_available_for_refund, refund_tx.amount,
                refund_tx.operation, order.amount_paid, action,
            )

        self._compare(do)

    def test_invoices_and_bills_are_posted_paid_credited_and_reset(self):
        for move_type in ('out_invoice', 'in_invoice'):
            def do(move_type=move_type):
                moves = paid, credited, draft = [
                    self._create_move(move_type) for _number in range(3)
                ]
                for move in moves:
                    move.action_post()
                self.env.flush_all()
                self._open('account.payment.register', paid).create({
                    'journal_id': self.bank_journal.id,
                })._create_payments()
                self._open('account.move.reversal', credited).create({
                    'journal_id': credited.journal_id.id,
                }).refund_moves()
                credited.reversal_move_id.action_post()
                self.env.flush_all()
                draft.button_draft()
                self.env.flush_all()
                draft.button_cancel()
                return self._describe([*moves, credited.reversal_move_id])

            with self.subTest(move_type=move_type):
                self._compare(do)

    def test_a_payment_is_booked_by_hand(self):
        def do():
            payment = self.env['account.payment'].create({
                'amount': 100, 'partner_id': self.partner.id, 'journal_id': self.bank_journal.id,
            })
            payment.action_post()
            states = [payment.state]
            payment.action_draft()
            payment.amount = 50
            payment.action_post()
            return *states, *self._describe(payment.move_id), payment.copy_data()[0]['amount']

        self._compare(do)

    def test_an_order_is_invoiced_and_cancelled(self):
        self.goods.invoice_policy = 'order'

        def do():
            order = self._order()
            order.action_confirm()
            invoice = order._create_invoices()
            invoice.action_post()
            self.env.flush_all()
            self._open('account.payment.register', invoice).create({
                'journal_id': self.bank_journal.id,
            })._create_payments()
            self.env.flush_all()
            order._action_cancel()
            order.action_draft()
            return self._describe(invoice), order.state, order.invoice_status, order.amount_paid

        self._compare(do)

    def test_links_to_pay_are_made(self):
        self.vipps.state = 'disabled'

        def do():
            order = self._order()
            invoice = self._create_move('out_invoice')
            invoice.action_post()
            wizards = [
                self._open('payment.link.wizard', document).create({})
                for document in (order, invoice)
            ]
            return [(wizard.amount, wizard.amount_max) for wizard in wizards]

        # Whether customers can pay each of them with ours.
        self._compare(do, lookups=2)

    def test_orders_and_invoices_are_mailed(self):
        def do():
            order = self._order()
            order.action_confirm()
            order._send_order_confirmation_mail()
            invoice = self._create_move('out_invoice')
            invoice.action_post()
            self._open('account.move.send', invoice).create({}).action_send_and_print()
            return [
                document.message_ids.filtered('subject').mapped(
                    lambda message: (message.message_type, len(message.notified_partner_ids))
                )
                for document in (order, invoice)
            ]

        self._compare(do)

    def test_a_till_sells_for_cash(self):
        session = self._open_session(self.other_config)

        def do():
            order = self._sell(session)
            return order.state, order.amount_paid, order.payment_ids.mapped('amount')

        # Another till may have asked for the order.
        self._compare(do, lookups=3)
        self._forget_methods()
        self._compare(do)

    def test_tills_look_for_our_payments_as_soon_as_a_method_takes_them(self):
        self._forget_methods()
        Method = self.env['pos.payment.method']
        self.assertFalse(Method._vipps_is_known())
        journal = self.cash_method.journal_id.copy({'type': 'bank'})
        method = Method.create({'name': "App", 'journal_id': journal.id})
        method.use_payment_terminal = 'vipps'
        self.assertTrue(Method._vipps_is_known())
        method.unlink()
        self._forget_methods()
        self.assertFalse(Method._vipps_is_known())
        Method.create({
            'name': "App", 'journal_id': journal.id, 'use_payment_terminal': 'vipps',
        })
        self.assertTrue(Method._vipps_is_known())

    def test_a_till_makes_an_invoice_and_is_closed(self):
        def do():
            session = self._open_session(self.other_config)
            order = self._sell(session, to_invoice=True, partner_id=self.partner.id)
            self.env.flush_all()
            session.post_closing_cash_details(45)
            session.update_closing_control_state_session("")
            answer = session.close_session_from_ui()
            return (
                answer['successful'], session.state, order.state,
                *self._describe(order.account_move | session.move_id),
            )

        # Another till may have asked for the order, and this one before its methods were changed.
        self._compare(do, lookups=9)
