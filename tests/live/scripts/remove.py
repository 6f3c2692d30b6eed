"""Set up the provider, its webhook and its ledger, book what is settled, then remove the addon (run
by `odoo-bin shell`)."""

env['ir.config_parameter'].set_param(
    'mobilepay_vipps.test_api_url', PARAMETERS['simulator_url']
)
provider = env.ref('mobilepay_vipps.payment_provider_vipps')
provider.write({
    'vipps_merchant_serial_number': PARAMETERS['merchant_serial_number'],
    'vipps_client_id': PARAMETERS['client_id'],
    'vipps_client_secret': PARAMETERS['client_secret'],
    'vipps_subscription_key': PARAMETERS['subscription_key'],
    'state': 'test',
})
provider.action_vipps_set_up_webhooks()
env['pos.payment.method'].search([('name', '=', "Vipps")]).use_payment_terminal = 'vipps'
ledger = provider._vipps_find_ledgers()
ledger.currency_id.active = True
ledger._set_up()
env.cr.commit()
ledger.action_fetch()
env.cr.commit()
env['ir.module.module'].search([('name', '=', 'mobilepay_vipps')]).button_immediate_uninstall()
