# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.addons.payment import reset_payment_provider, setup_provider


def post_init_hook(env):
    """ Create the accounting payment method of the provider. """
    setup_provider(env, 'vipps')


def uninstall_hook(env):
    """ Reset the providers and delete the webhooks that we registered at Vipps MobilePay.

    Core refuses to reset a provider with payments in the books, and then nothing may have changed:
    the webhooks are therefore deleted only after the uninstallation is committed. Credentials are
    dropped together with their columns.
    """
    providers = env['payment.provider'].search([('code', '=', 'vipps')])
    unregister = providers.filtered('vipps_webhook_id')._vipps_prepare_unregistration()
    reset_payment_provider(env, 'vipps')
    # Core does not know what a terminal is without its addon.
    env['pos.payment.method'].with_context(active_test=False).search([
        ('use_payment_terminal', '=', 'vipps'),
    ]).use_payment_terminal = False
    providers.activity_ids.unlink()  # Without this addon they would lead nowhere.
    env['vipps.audit.event']._vipps_remove_protection()
    env.cr.postcommit.add(unregister)
