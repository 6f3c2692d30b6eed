"""Turn a database into a small Norwegian webshop with a till (run by `odoo-bin shell`)."""

import shutil

from odoo.fields import Command

company = env.company
company.write({
    'name': "Fjordbutikken",
    'street': "Storgata 1",
    'zip': '0155',
    'city': "Oslo",
    'country_id': env.ref('base.no').id,
    'email': 'shop@example.com',
})
env['account.chart.template'].try_loading('no', company, install_demo=False)
env['product.pricelist'].search([]).write({'currency_id': company.currency_id.id})

# What people pay in Norway is what is written on the shelf.
standard_rate, food_rate = (
    env['account.chart.template'].ref(xmlid) for xmlid in ('tax3', 'tax15')
)
(standard_rate + food_rate).price_include = True
company.account_sale_tax_id = standard_rate

website = env['website'].get_current_website()
website.write({'name': company.name, 'show_line_subtotals_tax_selection': 'tax_included'})

location = env.ref('stock.warehouse0').lot_stock_id
for name, price, tax in [
    ("Wool socks", 199, standard_rate),
    ("Camping mug", 149, standard_rate),
    ("Thermos, 0.75 l", 349.5, standard_rate),
    ("Rain jacket", 1299, standard_rate),
    ("Brown cheese, 500 g", 89.9, food_rate),
]:
    product = env['product.product'].create({
        'name': name,
        'list_price': price,
        'taxes_id': tax.ids,
        'detailed_type': 'product',
        'invoice_policy': 'order',
        'is_published': True,
        'available_in_pos': True,
    })
    env['stock.quant'].with_context(inventory_mode=True).create({
        'product_id': product.id,
        'location_id': location.id,
        'inventory_quantity': 100,
    }).action_apply_inventory()

env['delivery.carrier'].search([]).is_published = False
oslo = env['delivery.zip.prefix'].create([{'name': f'{number:02}'} for number in range(13)])
for number, (name, price, prefixes) in enumerate([
    ("Parcel to your door", 79, None),
    ("Courier today", 149, oslo),  # Whether there is one depends on the address.
]):
    env['delivery.carrier'].create({
        'name': name,
        'sequence': 20 + number,
        'delivery_type': 'fixed',
        'fixed_price': price,
        'is_published': True,
        'zip_prefix_ids': prefixes and prefixes.ids,
        'product_id': env['product.product'].create({
            'name': name,
            'detailed_type': 'service',
            'taxes_id': standard_rate.ids,
            'sale_ok': False,
            'list_price': price,
        }).id,
    })

# Attaching the order to mails about it needs wkhtmltopdf, which few machines have.
if not shutil.which('wkhtmltopdf'):
    env['mail.template'].search([('model', '=', 'sale.order')]).report_template_ids = False

# There is no mail server; a queue that tries again would only collide with who writes the mails.
env.ref('mail.ir_cron_mail_scheduler_action').active = False

# The shop in town. Which of its payment methods is of Vipps MobilePay can only be said when the
# addon is there.
till = env['pos.config'].search([], limit=1)
till.payment_method_ids.filtered(lambda method: method.type == 'bank').name = "Card"
till.write({
    'name': "Fjordbutikken Storgata",
    'module_pos_restaurant': False,  # It sells goods: Odoo's first till is one of a restaurant.
    'payment_method_ids': [Command.create({
        'name': "Vipps",
        'journal_id': env['account.journal'].create({
            'name': "Vipps in the shop", 'type': 'bank', 'code': 'VSHOP',
        }).id,
    })],
    'iface_tipproduct': True,
    'tip_product_id': env.ref('point_of_sale.product_product_tip').id,
    'iface_customer_facing_display_local': True,
})
for login, name in [('nora', "Nora Lie"), ('emil', "Emil Dahl")]:
    env['res.users'].with_context(no_reset_password=True).create({
        'name': name,
        'login': login,
        'email': f'{login}@example.com',
        'password': login,
        'groups_id': [Command.set([
            env.ref('base.group_user').id, env.ref('point_of_sale.group_pos_user').id,
        ])],
    })
# As later versions of Odoo have it: with `pos_self_order`, the cashier who saves an order computes
# its taxes, whose tags a cashier may not read in earlier ones.
env['ir.model.access'].create({
    'name': "account.account.tag internal user",
    'model_id': env.ref('account.model_account_account_tag').id,
    'group_id': env.ref('base.group_user').id,
    'perm_read': True,
})
env['res.partner'].create({
    'name': "Ingrid Berg",
    'phone': "+47 900 00 001",
    'email': 'ingrid.berg@example.com',
    'country_id': company.country_id.id,
})

env['ir.config_parameter'].set_param('web.base.url.freeze', 'True')
env.cr.commit()
