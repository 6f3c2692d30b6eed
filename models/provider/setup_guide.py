# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ...trust import clean

MESSAGE_FIELDS = ('pre_msg', 'pending_msg', 'auth_msg', 'done_msg', 'cancel_msg')


class PaymentProvider(models.Model):
    """ The memory of the set-up guide, so that it can be left at any screen. """
    _inherit = 'payment.provider'

    vipps_guide_step = fields.Char(copy=False, readonly=True, groups='base.group_system')
    vipps_guide_transaction_id = fields.Many2one(
        comodel_name='payment.transaction', copy=False, readonly=True, groups='base.group_system'
    )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_guide_transaction_id')
    def _check_vipps_guide_transaction_id(self):
        """ Ensure that the guide shows, and gives back, no payment of somebody else. """
        for provider_sudo in self.sudo():
            tx_sudo = provider_sudo.vipps_guide_transaction_id
            if tx_sudo and tx_sudo.provider_id != provider_sudo:
                raise ValidationError(_("The test payment is not one of this provider."))

    #=== ACTION METHODS ===#

    def action_vipps_open_guide(self):
        """ Open the set-up guide where it was left; without a provider, for the one of the company,
        which is made if there is none.

        :raise AccessError: If the user is not an administrator.
        """
        self = clean(self)
        self._vipps_check_administrator()
        provider = self or self._vipps_find_for_guide()
        provider.ensure_one()
        return self.env['vipps.setup.guide']._open_for(provider)

    #=== BUSINESS METHODS ===#

    @api.model
    def _vipps_translate_duplicates(self):
        """ Give messages of other providers that nobody changed the translations of the original.
        """
        original = self.env.ref('mobilepay_vipps.payment_provider_vipps', raise_if_not_found=False)
        if not original:
            return
        self.env.flush_all()
        for name in MESSAGE_FIELDS:
            column = SQL.identifier(name)
            self.env.cr.execute(SQL(
                """
                UPDATE payment_provider provider
                   SET %(column)s = original.%(column)s || provider.%(column)s
                  FROM payment_provider original
                 WHERE original.id = %(original)s
                   AND provider.id != original.id
                   AND provider.code = 'vipps'
                   AND provider.%(column)s->>'en_US' = original.%(column)s->>'en_US'
                """, column=column, original=original.id,
            ))
        self.invalidate_model(MESSAGE_FIELDS)

    @api.model
    def _vipps_find_for_guide(self):
        """ Return the provider of the current company. If there is none, the one of another company
        is duplicated without its sales unit, as core asks people to do by hand. """
        company = self.env.company
        provider = self.search([
            ('code', '=', 'vipps'), *self._check_company_domain(company),
        ]).sorted(lambda p: p.company_id != company)[:1]  # A branch may use the one above it.
        # The first one may be of a company that the user is not working in.
        return provider or self.env.ref('mobilepay_vipps.payment_provider_vipps').sudo().copy({
            'company_id': company.id,
            'vipps_merchant_serial_number': False,
        }).sudo(False)
