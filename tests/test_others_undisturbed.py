# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import ExitStack, contextmanager
from inspect import isfunction
from unittest.mock import patch

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
        cls.other_session = cls._open_session(cls.other_config)

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
            queries.append(' '.join(str(query).split()))
            return execute(cursor, query, *args, **kwargs)

        with patch.object(type(self.env.cr), 'execute', record):
            result = do()
            self.env.flush_all()
            self.env.cr.precommit.run()
        return queries, result

    def _pay(self, order):
        tx = self._create_transaction(
            'redirect', provider_id=self.dummy_provider.id, amount=order.amount_total,
            payment_method_id=self.env.ref('payment.payment_method_unknown').id,
            reference=f'other-{order.id}', sale_order_ids=[Command.set(order.ids)],
        )
        tx._set_authorized()
        return tx

    #=== Cases ===#

    def test_an_order_is_confirmed_delivered_and_cancelled(self):
        def do():
            orders = self.env['sale.order'].create([{
                'partner_id': self.partner.id,
                'order_line': [Command.create({
                    'product_id': self.goods.id, 'product_uom_qty': 2, 'price_unit': 100,
                })],
            } for _number in range(2)])
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
            return amounts, tx.state, child.amount, order.state, order.amount_paid

        self._compare(do)

    def test_a_till_sells_for_cash(self):
        def do():
            payment = self._prepare_ui_payment(45, self.other_config.payment_method_ids)
            order = self.env['pos.order'].browse(
                self.env['pos.order'].create_from_ui([self._prepare_ui_order(
                    payments=[payment], session=self.other_session,
                )])[0]['id']
            )
            return order.state, order.amount_paid, order.payment_ids.mapped('amount')

        # Another till may have asked for the order.
        self._compare(do, lookups=3)
