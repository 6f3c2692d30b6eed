# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ...trust import clean, get_readable

SHOWN_PAYMENTS = 100


class VippsPersonalData(models.TransientModel):
    """ The data of a customer from Vipps MobilePay: shown, exported and erased.

    No data is stored here. The dialog can be created and not be changed, so that each look is
    recorded, and nothing is computed for a record that its reader did not store.
    """
    _name = 'vipps.personal.data'
    _description = "Vipps MobilePay Personal Data"
    _rec_name = 'partner_id'

    partner_id = fields.Many2one(
        string="Contact", comodel_name='res.partner', required=True, readonly=True,
        ondelete='cascade',
    )
    # Several people pay at a till as the same contact.
    transaction_id = fields.Many2one(
        string="Payment", comodel_name='payment.transaction', readonly=True, ondelete='cascade',
    )
    content = fields.Html(string="What Is Known", compute='_compute_content', sanitize=False)
    is_known = fields.Boolean(compute='_compute_content')

    #=== COMPUTE METHODS ===#

    @api.depends('partner_id', 'transaction_id')
    @api.depends_context('allowed_company_ids', 'lang', 'tz', 'uid')
    def _compute_content(self):
        for wizard in self:
            stored_wizard = get_readable(wizard)
            txs_sudo = self.env['payment.transaction'].sudo()
            if stored_wizard:
                stored_wizard._check_rights()
                txs_sudo = stored_wizard._get_transactions_sudo()
            wizard.content = self.env['ir.qweb']._render('mobilepay_vipps.personal_data', {
                'payments': txs_sudo[:SHOWN_PAYMENTS],
                'hidden_count': len(txs_sudo[SHOWN_PAYMENTS:]),
            })
            wizard.is_known = bool(txs_sudo)

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `orm` to record the look at the data.

        :raise AccessError: If the user may not see the contact.
        :raise UserError: If the contact is of many people.
        """
        wizards = super().create(values_list)
        for wizard in wizards:
            wizard.partner_id.check_access_rights('read')
            wizard.partner_id.check_access_rule('read')
            wizard.transaction_id.check_access_rule('read')
            users_sudo = wizard.partner_id.sudo().with_context(active_test=False).user_ids
            if not wizard.transaction_id and any(user._is_public() for user in users_sudo):
                raise UserError(_(
                    "Many people have paid as this contact. Open the payment of the one who asks,"
                    " and choose Show there."
                ))
            wizard._record('data_read')
        return wizards

    #=== ACTION METHODS ===#

    def action_export(self):
        """ Hand out the data as a file that machines can read; that is recorded.

        :return: The action that downloads the file.
        :rtype: dict
        """
        self = clean(self)
        self._check_rights()
        self._record('data_exported')
        return {
            'type': 'ir.actions.client',
            'tag': 'vipps_download',
            'params': {
                'filename': f'vipps-mobilepay-{self.partner_id.id}.json',
                'content': json.dumps(self._prepare_export(), ensure_ascii=False, indent=2),
            },
        }

    def action_erase(self):
        """ Erase the data that are not needed for the accounts; that is recorded.

        :return: The action that shows the remaining data.
        :rtype: dict
        """
        self = clean(self)
        self._check_rights()
        txs_sudo = self._get_transactions_sudo(with_parts=True)
        txs_sudo._vipps_forget_customer()
        self.env['vipps.audit.event']._vipps_forget(self.partner_id)
        self._record('data_erased')
        return self._prepare_action()

    #=== BUSINESS METHODS ===#

    def _check_rights(self):
        """ Ensure that the user may see the contact.

        :raise AccessError: If the user may not.
        """
        self.check_access_rights('create')
        self.check_access_rule('read')
        self.ensure_one()
        self.partner_id.check_access_rule('read')

    def _get_transactions_sudo(self, with_parts=False):
        """ Return the payments of the customer in the companies that the user works in.

        :param bool with_parts: Whether captures and refunds are returned, too.
        :return: The payments, the newest first, in sudo mode.
        """
        addresses = self.env['res.partner'].sudo().with_context(active_test=False).search([
            ('parent_id', '=', self.partner_id.id), ('type', '!=', 'contact'),
        ])
        partner_ids = (self.partner_id | addresses).ids
        company_ids = self.env.companies.ids  # Not in sudo mode, which takes any.
        domain = [
            ('provider_code', '=', 'vipps'),
            ('company_id', 'in', company_ids),
            '|',
            ('partner_id', 'in', partner_ids),
            ('sale_order_ids.partner_id', 'in', partner_ids),
        ]
        if self.transaction_id:
            domain.append(('id', '=', self.transaction_id.id))
        txs_sudo = self.env['payment.transaction'].sudo().search(domain, order='id desc')
        if self.transaction_id and with_parts:
            txs_sudo |= txs_sudo.child_transaction_ids.child_transaction_ids
            txs_sudo |= txs_sudo.child_transaction_ids
        return txs_sudo if with_parts else txs_sudo.filtered('vipps_payment_reference')

    def _record(self, action):
        for provider in self._get_transactions_sudo().provider_id or [None]:
            self.env['vipps.audit.event'].sudo()._record(
                action, provider, partner_id=self.partner_id.id,
            )

    def _prepare_action(self):
        return {
            'type': 'ir.actions.act_window',
            'name': _("Vipps MobilePay Data"),
            'res_model': self._name,
            'res_id': self.id,
            'view_mode': 'form',
            'target': 'new',
        }

    def _prepare_export(self):
        """ Hook: return the data as machines read it: times in UTC, amounts in major units. """
        return {
            'contact': {'id': self.partner_id.id, 'name': self.partner_id.name},
            'exported_at': fields.Datetime.to_string(fields.Datetime.now()),
            'payments': [{
                'reference': tx_sudo.reference,
                'vipps_reference': tx_sudo.vipps_payment_reference,
                'psp_reference': tx_sudo.provider_reference,
                'company': tx_sudo.company_id.name,
                'date': fields.Datetime.to_string(tx_sudo.create_date),
                'amount': tx_sudo.amount,
                'currency': tx_sudo.currency_id.name,
                'state': tx_sudo.state,
                'asked_for': (tx_sudo.vipps_scopes or '').split(),
                'customer_id_at_vipps_mobilepay': tx_sudo.vipps_user_sub or None,
                'shared': tx_sudo.vipps_user_details or {},
                'delivery': tx_sudo.vipps_express_choice or {},
                'phone_at_till': tx_sudo._vipps_mask_phone(tx_sudo.vipps_customer_phone) or None,
                'copied_from_contact': {
                    name.removeprefix('partner_'): tx_sudo[name] or None for name in (
                        'partner_name', 'partner_email', 'partner_phone', 'partner_address',
                        'partner_zip', 'partner_city',
                    )
                } | {'country': tx_sudo.partner_country_id.code or None},
            } for tx_sudo in self._get_transactions_sudo()],
        }
