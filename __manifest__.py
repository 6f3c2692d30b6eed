# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

{
    'name': "Payment Provider: Vipps MobilePay",
    'version': '17.0.1.7.0',
    'category': 'Accounting/Payment Providers',
    'sequence': 350,
    'summary': "Vipps in Norway, MobilePay in Denmark and Finland.",
    'author': "Vipps MobilePay for Odoo contributors",
    'license': 'LGPL-3',
    'depends': [
        'payment',
        'account_payment',
        'sale',
        'sale_async_emails',
        'website_sale',
        'sale_stock',
        'stock_delivery',
        'point_of_sale',
        'pos_online_payment',
    ],
    'external_dependencies': {
        'python': ['requests', 'cryptography', 'qrcode'],
    },
    'data': [
        'security/vipps_groups.xml',  # Before the rights that it has.
        'security/ir.model.access.csv',
        'security/vipps_payment_manager_security.xml',
        'security/vipps_audit_event_security.xml',
        'security/vipps_api_call_security.xml',
        'security/vipps_jobs_security.xml',
        'security/vipps_personal_data_security.xml',
        'security/vipps_webhook_event_security.xml',
        'security/vipps_refund_wizard_security.xml',
        'security/vipps_till_security.xml',

        'views/transaction/payment_vipps_templates.xml',
        'views/transaction/payment_form_templates.xml',
        'views/jobs/vipps_webhook_event_views.xml',
        'views/transaction/payment_transaction_views.xml',
        'views/transaction/payment_transaction_report_views.xml',
        'views/documents/sale_order_views.xml',
        'views/provider/payment_provider_views.xml',  # Depends on the actions of both.
        'views/jobs/vipps_audit_event_views.xml',
        'views/api/vipps_api_call_views.xml',
        'wizards/provider/vipps_key_rotation_views.xml',
        'wizards/provider/vipps_setup_guide_views.xml',
        'views/provider/payment_provider_keys_views.xml',
        'views/provider/payment_provider_health_views.xml',
        'views/provider/payment_provider_checklist_views.xml',
        'views/provider/payment_provider_user_info_views.xml',
        'wizards/transaction/vipps_personal_data_views.xml',
        'views/documents/res_partner_views.xml',
        'views/transaction/website_sale_templates.xml',
        'wizards/transaction/payment_wizard_views.xml',
        'views/documents/account_move_views.xml',
        'views/documents/account_payment_views.xml',
        'wizards/documents/vipps_refund_wizard_views.xml',
        'wizards/till/vipps_till_refund_wizard_views.xml',
        'wizards/till/vipps_till_attempt_views.xml',
        'views/till/pos_payment_method_views.xml',
        'views/provider/res_config_settings_views.xml',  # Depends on the action of those.
        'views/till/pos_payment_views.xml',
        'views/till/pos_session_views.xml',
        'views/till/payment_transaction_views.xml',
        'views/provider/vipps_menus.xml',  # Depends on the actions of all.

        'data/payment_provider_data.xml',  # Depends on `redirect_form`.
        'data/ir_cron_data.xml',
        'data/ir_cron_health_data.xml',
    ],
    'assets': {
        'web.assets_backend': [
            'mobilepay_vipps/static/src/backend/**/*',
        ],
        'web.assets_frontend': [
            'mobilepay_vipps/static/src/checkout/**/*',
        ],
        'point_of_sale._assets_pos': [
            'mobilepay_vipps/static/src/pos/**/*',
        ],
        'web.assets_tests': [
            'mobilepay_vipps/static/tests/tours/**/*',
        ],
    },
    'post_init_hook': 'post_init_hook',
    'uninstall_hook': 'uninstall_hook',
    'application': False,
}
