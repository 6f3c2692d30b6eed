# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.fields import Command
from odoo.tests import Form

from .common import TransactionCommon


class DeliveryCommon(TransactionCommon):
    """ A shop that captures on delivery, and its warehouse. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vipps.vipps_capture_mode = 'on_delivery'
        cls.warehouse_user = cls._new_user(
            'vipps_warehouse', 'base.group_user,stock.group_stock_user',
        )
        cls.tax = cls.env['account.tax'].create({
            'name': "25%", 'amount': 25, 'company_id': cls.company.id,
            'country_id': cls.company.account_fiscal_country_id.id,
        })
        cls.sweater, cls.mittens = cls.env['product.product'].create([
            {'name': name, 'type': 'consu', 'invoice_policy': 'delivery', 'list_price': 100,
             'taxes_id': [Command.clear()]}
            for name in ("Sweater", "Mittens")
        ])
        cls.course = cls.env['product.product'].create({
            'name': "Knitting Course", 'type': 'service', 'invoice_policy': 'delivery',
            'taxes_id': [Command.clear()],
        })
        cls.fee = cls.env['product.product'].create({
            'name': "Delivery", 'type': 'service', 'invoice_policy': 'order',
            'taxes_id': [Command.clear()],
        })

    #=== What people do ===#

    def _line(self, product, quantity=1, price=100, **values):
        return Command.create({
            'product_id': product.id, 'product_uom_qty': quantity, 'price_unit': price,
            'tax_id': [Command.clear()], **values,
        })

    def _buy(self, *lines, amount=None, **values):
        """ Return the transaction of an order that a customer has paid and that is confirmed. """
        return self._pay(self._create_order(
            order_line=list(lines or [self._line(self.sweater, 2)]), **values
        ), amount=amount)

    def _pay(self, order, amount=None):
        tx = self._start_order(order, amount=amount)
        self._approve(tx)
        self._refresh(tx)
        if order.state != 'sale':
            order.action_confirm()
        self._settle()
        return tx

    def _make_kit(self):
        """ Let sweaters be sent as needles and wool. """
        needles, wool = self.env['product.product'].create([
            {'name': name, 'type': 'consu'} for name in ("Needles", "Wool")
        ])
        self.env['mrp.bom'].sudo().create({
            'product_tmpl_id': self.sweater.product_tmpl_id.id,
            'type': 'phantom',
            'bom_line_ids': [
                Command.create({'product_id': needles.id, 'product_qty': 1}),
                Command.create({'product_id': wool.id, 'product_qty': 3}),
            ],
        })

    def _settle(self):
        """ Do the work that follows a request: commit it, and run the job that it woke. """
        self.env.flush_all()
        self.cr.flush()
        return self._run_due()

    def _ship(self, order, backorder=True, picking=None, **quantities):
        """ Validate the next delivery, or return, of an order.

        :param bool backorder: Whether what is missing is delivered later.
        :param stock.picking picking: Which one, if not the oldest.
        :param quantities: By the first word of the names of products; all if there are none.
        """
        picking = (picking or order.picking_ids.filtered(
            lambda p: p.state not in ('done', 'cancel')
        ).sorted('id')[:1]).with_user(self.warehouse_user)
        for move in picking.move_ids:
            name = move.product_id.name.split()[0].lower()
            move.quantity = quantities.get(name, 0) if quantities else move.product_uom_qty
            move.picked = True
        action = picking.button_validate()
        if action is not True:
            wizard = Form(
                self.env[action['res_model']].with_user(self.warehouse_user)
                .with_context(**action['context'])
            ).save()
            wizard.process() if backorder else wizard.process_cancel_backorder()
        self.assertEqual(picking.state, 'done')
        self.env.flush_all()
        return picking

    def _deliver(self, order, backorder=True, picking=None, **quantities):
        picking = self._ship(order, backorder, picking, **quantities)
        self._settle()
        return picking

    def _return(self, order, picking, to_refund=True, **quantities):
        """ Take back shipped goods, or send returned ones again. """
        wizard = Form(
            self.env['stock.return.picking'].with_user(self.warehouse_user).with_context(
                active_ids=picking.ids, active_id=picking.id, active_model='stock.picking',
            )
        ).save()
        wizard.product_return_moves.to_refund = to_refund
        return_picking = self.env['stock.picking'].browse(wizard.create_returns()['res_id'])
        self._deliver(order, backorder=False, picking=return_picking, **quantities)
        return return_picking

    def assertSums(self, tx, captured, remaining):
        """ Compare the captured and reserved sums, here and there, in minor units. """
        self.env.invalidate_all()
        sums = self._get_aggregate(tx)
        self.assertEqual(
            (sums['captured'], sums['authorized'] - sums['captured'] - sums['cancelled']),
            (captured, remaining),
        )
        self.assertAlmostEqual(tx._vipps_get_captured_amount(), captured / 100)
        self.assertAlmostEqual(tx.vipps_remaining_amount, remaining / 100)
        self.assertFalse(tx.vipps_difference)

    def _get_order_activities(self, order):
        self.env.invalidate_all()
        return order.activity_ids.filtered(lambda activity: "ayment" in (activity.summary or ''))
