# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_amount, format_datetime

from ...trust import clean, get_readable

SHOWN_PAYMENTS = 100


class VippsPersonalData(models.TransientModel):
    """ What is known of a customer from Vipps MobilePay: shown, exported and erased.

    Nothing of it is stored here. It can be created and not be changed, so that whoever looks at
    somebody's data is recorded, and nothing is computed for a record that its reader did not store.
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
    is_copyable = fields.Boolean(compute='_compute_content')

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
                'payments': [wizard._describe(tx_sudo) for tx_sudo in txs_sudo[:SHOWN_PAYMENTS]],
                'hidden_count': len(txs_sudo[SHOWN_PAYMENTS:]),
                'copy': wizard._describe_copy(txs_sudo),
            })
            wizard.is_known = bool(txs_sudo)
            wizard.is_copyable = bool(wizard._prepare_copy(txs_sudo)[0])

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override to record who looks at whose data.

        :raise AccessError: If the user may not see the contact.
        :raise UserError: If the contact is of everybody.
        """
        wizards = super().create(values_list)
        for wizard in wizards:
            wizard.partner_id.check_access_rights('read')
            wizard.partner_id.check_access_rule('read')
            wizard.transaction_id.check_access_rule('read')
            wizard._check_is_one_person()
            wizard._record('data_read')
        return wizards

    #=== ACTION METHODS ===#

    def action_export(self):
        """ Hand out what is known, as a file that machines can read; that is recorded.

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
        """ Erase what is not needed for the accounts; that is recorded.

        :return: The action that shows what is left.
        :rtype: dict
        """
        self = clean(self)
        self._check_rights()
        txs_sudo = self._get_transactions_sudo(with_parts=True)
        txs_sudo._vipps_forget_customer()
        self.env['vipps.audit.event']._vipps_forget(self.partner_id)
        self._record('data_erased')
        return self._prepare_action()

    def action_copy_to_contact(self):
        """ Fill in what is empty on the contact with what was shared with the payment, as the
        window shows it; that is recorded.

        :return: The action that shows what is left.
        :rtype: dict
        :raise AccessError: If the user may not change the contact.
        :raise UserError: If there is nothing to fill in.
        """
        self = clean(self)
        self._check_rights()
        values, _differing_names = self._prepare_copy(self._get_transactions_sudo())
        if not values:
            raise UserError(_(
                "There is nothing to copy: nothing that was shared is missing on the contact."
            ))
        # The history of a contact would keep what is to be erased some day.
        self.partner_id.with_context(tracking_disable=True).write(values)
        self._record('data_copied', ", ".join(self._describe_fields(values)))
        return self._prepare_action()

    #=== BUSINESS METHODS ===#

    def _check_rights(self):
        """ Ensure that the user may see what this is about.

        :return: None
        :raise AccessError: If the user may not.
        """
        self.check_access_rights('create')
        self.check_access_rule('read')
        self.ensure_one()
        self.partner_id.check_access_rule('read')

    def _check_is_one_person(self):
        """ Ensure that this is not about everybody who paid without telling who they are.

        :return: None
        :raise UserError: If it is.
        """
        users_sudo = self.partner_id.sudo().with_context(active_test=False).user_ids
        if not self.transaction_id and any(user._is_public() for user in users_sudo):
            raise UserError(_(
                "Many people have paid as this contact. Open the payment of the one who asks, and"
                " choose Show there."
            ))

    def _prepare_copy(self, txs_sudo):
        """ Return what *Copy to Contact* fills in: only where one payment is looked at, whose
        customer is known.

        :param payment.transaction txs_sudo: The payments that the window is about.
        :return: The values of the contact that it does not have, and what it has otherwise, by the
                 names for people.
        :rtype: tuple[dict, list[str]]
        """
        details = self.transaction_id and txs_sudo.vipps_user_details
        users_sudo = self.partner_id.sudo().with_context(active_test=False).user_ids
        if not details or any(user._is_public() for user in users_sudo):
            return {}, []
        return self.partner_id._vipps_compare_details(details)

    def _describe_copy(self, txs_sudo):
        """ Return what *Copy to Contact* fills in and what it leaves, for people. """
        values, differing_names = self._prepare_copy(txs_sudo)
        return {
            'filled': ", ".join(self._describe_fields(values)),
            'differing': ", ".join(differing_names),
        }

    @api.model
    def _describe_fields(self, names):
        partner_fields = self.env['res.partner']._fields
        return [partner_fields[name]._description_string(self.env) for name in names]

    def _get_transactions_sudo(self, with_parts=False):
        """ Return the payments of the customer in the companies that the user works in.

        :param bool with_parts: Whether captures and refunds are returned, too.
        :return: The payments, the newest first, in sudo mode.
        :rtype: payment.transaction
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

    def _record(self, action, details=None):
        providers = self._get_transactions_sudo().provider_id or self.env['payment.provider']
        for provider in providers or [None]:
            self.env['vipps.audit.event'].sudo()._record(
                action, provider, partner_id=self.partner_id.id, details=details,
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

    #=== BUSINESS METHODS - WHAT IS KNOWN ===#

    def _prepare_export(self):
        """ Return what is known as machines read it: times in UTC, amounts in major units.

        :rtype: dict
        """
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
                'phone_at_till': tx_sudo._vipps_mask_phone(tx_sudo.vipps_customer_phone) or None,
                'copied_from_contact': {
                    name.removeprefix('partner_'): tx_sudo[name] or None for name in (
                        'partner_name', 'partner_email', 'partner_phone', 'partner_address',
                        'partner_zip', 'partner_city',
                    )
                } | {'country': tx_sudo.partner_country_id.code or None},
            } for tx_sudo in self._get_transactions_sudo()],
        }

    def _describe(self, tx_sudo):
        """ Return what is known of a payment as people read it.

        :param payment.transaction tx_sudo: The payment.
        :rtype: dict
        """
        return {
            'reference': tx_sudo.reference,
            'date': format_datetime(self.env, tx_sudo.create_date),
            'amount': format_amount(self.env, tx_sudo.amount, tx_sudo.currency_id),
            'company': tx_sudo.company_id.name,
            'state': dict(tx_sudo._fields['vipps_user_info_state']._description_selection(
                self.env
            )).get(tx_sudo.vipps_user_info_state),
            'shared': self._describe_details(tx_sudo.vipps_user_details or {}),
            'sub': tx_sudo.vipps_user_sub,
            'phone': tx_sudo._vipps_mask_phone(tx_sudo.vipps_customer_phone),
            'copied': [text for text in (
                tx_sudo.partner_name, tx_sudo.partner_email, tx_sudo.partner_phone,
                tx_sudo.partner_address, tx_sudo.partner_zip, tx_sudo.partner_city,
            ) if text],
        }

    @api.model
    def _describe_details(self, details):
        """ Return what was shared with its names for people.

        :rtype: list[tuple[str, str]]
        """
        email = details.get('email')
        if email and not details.get('email_verified'):
            email = _("%s (not verified)", email)
        lines = (
            details.get('street'), details.get('street2'),
            ' '.join(filter(None, (details.get('zip'), details.get('city')))),
            details.get('country'),
        )
        return [(label, value) for label, value in (
            (_("Name"), details.get('name')),
            (_("E-mail address"), email),
            (_("Phone number"), details.get('phone')),
            (_("Address"), ", ".join(filter(None, lines))),
        ) if value]
