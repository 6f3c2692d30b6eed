"""Compare what others pay for the addon, and store the figures in a system parameter.

Run by `odoo-bin shell` on a database without the addon. `PARAMETERS` has the name of the `other`
database, which is the same with the addon, and the number of `rounds`.
"""

import gc
import json
import time

import odoo
from odoo.fields import Command

WARM_UP = 3
PRICE = 199.0


class Trader:
    """Sells in one database, without any payment of ours."""

    def __init__(self, env):
        """Open a till that takes cash."""
        self.env = env
        self.product = env['product.product'].search([('name', '=', "Wool socks")], limit=1)
        self.partner = env['res.partner'].search([('name', '=', "Ingrid Berg")], limit=1)
        journal = env['account.journal'].create({
            'name': "Kiosk cash", 'type': 'cash', 'code': 'KIOSK',
        })
        config = env['pos.config'].create({'name': "Kiosk", 'payment_method_ids': [
            Command.create({'name': "Kiosk cash", 'journal_id': journal.id}),
        ]})
        config.open_ui()
        self.session = config.current_session_id
        self.session.set_cashbox_pos(0, None)
        self.sold = 0
        env.cr.commit()

    def sell_by_order(self):
        """Have an order confirmed, invoiced and paid."""
        order = self.env['sale.order'].create({
            'partner_id': self.partner.id,
            'order_line': [Command.create({
                'product_id': self.product.id, 'product_uom_qty': 1,
            }) for _line in range(3)],
        })
        order.action_confirm()
        invoice = order._create_invoices()
        invoice.action_post()
        self.env['account.payment.register'].with_context(
            active_model='account.move', active_ids=invoice.ids,
        ).create({})._create_payments()

    def sell_at_the_till(self):
        """Sell for cash."""
        self.sold += 1
        name = f'{self.session.id:05}-001-{self.sold:04}'
        taxes = self.product.taxes_id
        amounts = taxes.compute_all(PRICE, self.env.company.currency_id)
        self.env['pos.order'].create_from_ui([{'id': name, 'to_invoice': False, 'data': {
            'name': f'Order {name}', 'uid': name, 'pos_session_id': self.session.id,
            'sequence_number': self.sold, 'user_id': self.env.uid, 'partner_id': False,
            'date_order': '2026-01-01 12:00:00', 'fiscal_position_id': False,
            'pricelist_id': False, 'amount_total': PRICE, 'amount_paid': PRICE,
            'amount_tax': amounts['total_included'] - amounts['total_excluded'],
            'amount_return': 0, 'to_invoice': False, 'server_id': False,
            'lines': [Command.create({
                'product_id': self.product.id, 'full_product_name': self.product.display_name,
                'price_unit': PRICE, 'qty': 1, 'discount': 0,
                'price_subtotal': amounts['total_excluded'],
                'price_subtotal_incl': amounts['total_included'],
                'tax_ids': [Command.set(taxes.ids)],
            })],
            'statement_ids': [Command.create({
                'name': '2026-01-01 12:00:00', 'amount': PRICE,
                'payment_method_id': self.session.payment_method_ids.id,
            })],
        }}])

    def measure(self, way):
        """Return the seconds and the SQL queries of one sale."""
        self.env.invalidate_all()
        gc.collect()  # What others have left behind is not this one's to remove.
        queries = self.env.cr.sql_log_count
        started = time.process_time()
        getattr(self, way)()
        self.env.flush_all()
        seconds = time.process_time() - started
        queries = self.env.cr.sql_log_count - queries
        self.env.cr.commit()
        return seconds, queries


with odoo.registry(PARAMETERS['other']).cursor() as other_cr:
    traders = {
        'without': Trader(env),
        'with': Trader(odoo.api.Environment(other_cr, env.uid, env.context)),
    }
    figures = {}
    gc.disable()
    for number in range(WARM_UP + PARAMETERS['rounds']):
        for way in ('sell_by_order', 'sell_at_the_till'):
            # Nobody is always the second one.
            for name in sorted(traders, reverse=number % 2):
                found = traders[name].measure(way)
                if number >= WARM_UP:
                    figures.setdefault(way, {}).setdefault(name, []).append(found)

env['ir.config_parameter'].set_param('vipps_bench.others', json.dumps(figures))
env.cr.commit()
