# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

{
    'name': "Vipps MobilePay: what the webhook is compared with",
    'version': '17.0.1.0.0',
    'category': 'Hidden',
    'author': "Vipps MobilePay for Odoo contributors",
    'license': 'LGPL-3',
    'depends': ['web'],
    'pre_init_hook': 'pre_init_hook',
    'installable': True,
}
