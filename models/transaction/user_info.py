# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import NO_ACCESS

from ...step_log import log_step
from ...trust import clean
from ..api.client import VippsError
from ..jobs.task import DONE, LATER

_logger = logging.getLogger(__name__)

# The period in which Vipps MobilePay gives out the data of the customer.
# https://developer.vippsmobilepay.com/docs/APIs/userinfo-api/userinfo-api-guide/
FETCH_PERIOD = timedelta(days=7)

# The errors of a sales unit that asks for data that it may not ask for.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
SCOPE_ERRORS = ('4080', '5030')

# How many payments are purged in one database transaction.
PURGE_LIMIT = 1000


class PaymentTransaction(models.Model):
    """ The data that the customer shared with a payment. It is never needed to take the payment.
    """
    _inherit = 'payment.transaction'

    # The data that the customer was asked for when the payment was created, as the API calls them.
    vipps_scopes = fields.Char(copy=False, readonly=True)
    vipps_user_info_state = fields.Selection(
        string="Shared by the Customer",
        selection=[
            ('awaited', "Awaited"),
            ('received', "Received"),
            ('missing', "Not received"),
            ('erased', "Erased"),
        ],
        copy=False,
        readonly=True,
    )
    # Only the dialog that records its readers shows these.
    vipps_user_sub = fields.Char(copy=False, readonly=True, groups=NO_ACCESS)
    vipps_user_details = fields.Json(copy=False, readonly=True, groups=NO_ACCESS)

    #=== CRUD METHODS ===#

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """ Override of `payment` to choose the data that the customer is asked to share: a
        repetition must not ask for anything else. At a till, nobody would see it before. """
        res = super()._get_specific_create_values(provider_code, values)
        if res.get('vipps_user_flow') == 'WEB_REDIRECT':
            provider_sudo = self.env['payment.provider'].sudo().browse(values['provider_id'])
            res['vipps_scopes'] = ' '.join(provider_sudo._vipps_get_scopes()) or False
        return res

    #=== ACTION METHODS ===#

    def action_vipps_personal_data(self):
        """ Show the data that the customer shared with the payment; that is recorded.

        :return: The action that opens the dialog.
        :rtype: dict
        :raise AccessError: If the user is not a payment manager.
        """
        self.env['vipps.personal.data'].check_access_rights('create')
        self.ensure_one()
        return self.env['vipps.personal.data'].create({
            'partner_id': self.partner_id.id, 'transaction_id': self.id,
        })._prepare_action()

    def action_vipps_copy_to_contact(self):
        """ Fill in the empty fields of the contact with the data that the customer shared; that is
        recorded.

        :raise AccessError: If the user is not a payment manager, or may not change the contact.
        :raise UserError: If there is nothing to fill in.
        """
        self.env['vipps.personal.data'].check_access_rights('create')
        self.ensure_one()
        self = clean(self)
        self.check_access_rights('read')
        self.check_access_rule('read')
        partner, details = self.partner_id, self.sudo().vipps_user_details or {}
        users_sudo = partner.sudo().with_context(active_test=False).user_ids
        is_one_person = not any(user._is_public() for user in users_sudo)
        values = partner._vipps_get_missing_values(details) if is_one_person else {}
        if not values:
            raise UserError(_(
                "There is nothing to copy: nothing that was shared is missing on the contact."
            ))
        # The history of a contact would keep data that are to be erased some day.
        partner.with_context(tracking_disable=True).write(values)
        self.env['vipps.audit.event'].sudo()._record(
            'data_copied', self.sudo().provider_id, partner_id=partner.id, details=", ".join(
                partner._fields[name]._description_string(self.env) for name in values
            ),
        )

    #=== BUSINESS METHODS - ASKING ===#

    def _vipps_is_scope_refused(self, error):
        """ Hook: return whether a payment is refused because of the data that the customer is asked
        to share, and do not ask for them from now on. """
        if not self.vipps_scopes or error.code not in SCOPE_ERRORS:
            return False
        self.vipps_scopes = False
        self.provider_id._vipps_alert_administrator('user_info_refused')
        return True

    #=== BUSINESS METHODS - RECEIVING ===#

    def _vipps_keep_user_info(self, payment):
        """ Keep the data that a payment says the customer shared, as far as it was asked for, and
        have a job fetch the rest. """
        if (
            payment.state != 'AUTHORIZED' or not self.vipps_scopes
            or self.vipps_user_info_state not in (False, 'awaited')
        ):
            return
        self._vipps_add_user_info(payment)
        if not self.vipps_user_info_state:
            self.vipps_user_info_state = 'awaited'
            self.env['vipps.task']._schedule(self, 'user_info')

    def _vipps_add_user_info(self, payment):
        self.vipps_user_sub = payment.user_sub or self.vipps_user_sub
        self._vipps_add_user_details(payment.user_details)

    def _vipps_add_user_details(self, details):
        details = self.env['vipps.api.client']._keep_scopes(details, self.vipps_scopes.split())
        if details:
            self._vipps_lock_for_personal_data()
            self.vipps_user_details = {**(self.vipps_user_details or {}), **details}

    def _vipps_do_user_info(self):
        """ Fetch the data that the customer shared and the payment did not say. """
        if not self.vipps_scopes or self.vipps_user_info_state == 'erased':
            return DONE
        if self.state not in ('authorized', 'done'):  # There is nothing left to deliver.
            self._vipps_forget()
            return DONE
        is_first_answer = self.vipps_user_info_state == 'awaited'
        is_late = self.create_date < fields.Datetime.now() - FETCH_PERIOD
        if not is_late and not self._vipps_fetch_user_info():
            return LATER
        self.vipps_user_info_state = 'received' if self.vipps_user_details else 'missing'
        # The first answer can be older than the approval: it is asked for once more.
        is_done = is_late or not is_first_answer or self._vipps_is_user_info_complete()
        return DONE if is_done else LATER

    def _vipps_fetch_user_info(self):
        """ Fetch the missing data.

        :return: Whether Vipps MobilePay has answered.
        """
        api_client = self.env['vipps.api.client']
        try:
            if not self.vipps_user_sub:
                self._vipps_add_user_info(api_client._call_for(self, 'get'))
            if not self._vipps_is_user_info_complete():
                if not self.vipps_user_sub:
                    return False  # The customer is not known yet.
                self._vipps_add_user_details(api_client._call(
                    self.provider_id, 'userinfo', tx=self, sub=self.vipps_user_sub
                ))
        except VippsError as error:
            log_step(_logger, 'user_info', self, outcome=error.outcome, error=error.log_text)
            return False
        return True

    def _vipps_is_user_info_complete(self):
        """ Return whether everything is there that was asked for. """
        details = self.vipps_user_details or {}
        needed = {
            'name': 'name',
            'phoneNumber': 'phone',
            'address': 'city',
            # Without it, nobody knows whether the address is the customer's.
            'email': 'email_verified',
        }
        return all(needed[scope] in details for scope in self.vipps_scopes.split())

    #=== BUSINESS METHODS - FORGETTING ===#

    def _vipps_forget(self):
        """ Hook: forget the data that customers shared. Their payments stay: they are part of the
        accounts. """
        self.sudo().write({
            'vipps_user_sub': False,
            'vipps_user_details': False,
            'vipps_user_info_state': 'erased',
        })

    def _vipps_forget_customer(self):
        """ Hook: forget the data about customers that are not needed for the accounts. The name and
        the address stay as core copied them. """
        self.filtered('vipps_user_info_state')._vipps_forget()
        self.sudo().write({
            'vipps_scopes': False,  # Data that are still to come are not kept either.
            'vipps_customer_phone': False,
            'partner_phone': False,
            'partner_email': False,
        })

    @api.model
    def _vipps_purge(self, provider, before):
        """ Forget the data that customers shared with the payments of a provider, and clear data
        that should have been cleared when the payments were decided.

        :return: How many payments were purged; at most :data:`PURGE_LIMIT`.
        """
        txs = self.search([
            ('provider_id', '=', provider.id),
            ('create_date', '<', before),
            '|', '|',
            ('vipps_user_info_state', 'in', ('awaited', 'received', 'missing')),
            ('vipps_redirect_url', '!=', False),
            '&', ('vipps_customer_phone', '!=', False), ('vipps_customer_phone', 'not like', '*'),
        ], limit=PURGE_LIMIT)
        txs.filtered('vipps_user_info_state')._vipps_forget()
        txs.filtered('vipps_redirect_url').vipps_redirect_url = False
        for tx in txs.filtered('vipps_customer_phone'):
            tx.vipps_customer_phone = tx._vipps_mask_phone(tx.vipps_customer_phone)
        return len(txs)
