# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta

from odoo import _, _lt, api, fields, models
from odoo.fields import NO_ACCESS

from ...step_log import log_step
from ..api.client import VippsError
from ..jobs.job import DONE, NOTHING_LEFT

_logger = logging.getLogger(__name__)

# How long is waited after each failure. Who the customer is may be told late, but it can be asked
# for no more than a week.
# https://developer.vippsmobilepay.com/docs/APIs/userinfo-api/userinfo-api-guide/
RETRY_DELAYS = (
    timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2), timedelta(hours=12),
    timedelta(hours=48), timedelta(hours=96),
)

# What is answered when a sales unit asks for what it may not ask for.
# https://developer.vippsmobilepay.com/docs/APIs/epayment-api/api-guide/errors/
SCOPE_ERRORS = ('4080', '5030')

# How many payments are purged in one database transaction.
PURGE_LIMIT = 1000


class PaymentTransaction(models.Model):
    """ What the customer shared with a payment. It is never needed to take the payment. """
    _inherit = 'payment.transaction'

    # What the customer was asked for when the payment was created, as the API calls it.
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
    # Nobody reads these but the window that records who does.
    vipps_user_sub = fields.Char(copy=False, readonly=True, groups=NO_ACCESS)
    vipps_user_details = fields.Json(copy=False, readonly=True, groups=NO_ACCESS)
    vipps_user_info_tries = fields.Integer(copy=False, readonly=True)
    vipps_next_user_info = fields.Datetime(copy=False, readonly=True, index='btree_not_null')

    #=== CRUD METHODS ===#

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """ Override of `payment` to decide what the customer is asked to share: a repetition must
        not ask for anything else. At a till, nobody would see it before. """
        res = super()._get_specific_create_values(provider_code, values)
        if res.get('vipps_user_flow') == 'WEB_REDIRECT':
            provider_sudo = self.env['payment.provider'].sudo().browse(values['provider_id'])
            res['vipps_scopes'] = ' '.join(provider_sudo._vipps_get_scopes()) or False
        return res

    #=== ACTION METHODS ===#

    def action_vipps_personal_data(self):
        """ Show what the customer shared with the payment; that is recorded.

        :return: The action that opens the window.
        :rtype: dict
        :raise AccessError: If the user is not a payment manager.
        """
        self.env['vipps.personal.data'].check_access_rights('create')
        self.ensure_one()
        return self.env['vipps.personal.data'].create({
            'partner_id': self.partner_id.id, 'transaction_id': self.id,
        })._prepare_action()

    #=== BUSINESS METHODS - ASKING ===#

    def _vipps_is_scope_refused(self, error):
        """ Tell whether a payment is refused for what the customer is asked to share, and leave it
        out from now on.

        :param VippsError error: Why it is refused.
        :rtype: bool
        """
        if not self.vipps_scopes or error.code not in SCOPE_ERRORS:
            return False
        self.vipps_scopes = False
        self.provider_id._vipps_alert_administrator(
            'user_info_refused',
            _lt("Customers are not asked to share data"),
            _lt("Vipps MobilePay does not let this sales unit ask for what you chose under"
                " Collect User Information. Payments are made without it. Ask Vipps MobilePay to"
                " allow it, or choose less."),
        )
        return True

    def _vipps_explain_end(self, payment_state):
        """ Override to tell who refused to share data, maybe, that it can be paid without. """
        text = super()._vipps_explain_end(payment_state)
        if payment_state == 'ABORTED' and self.vipps_scopes:
            text += " " + _("If you do not want to share data, choose another payment method.")
        return text

    #=== BUSINESS METHODS - RECEIVING ===#

    def _vipps_keep_state(self, payment):
        """ Override to keep what the customer shared, and to have the job ask for the rest. """
        super()._vipps_keep_state(payment)
        if (
            payment.state == 'AUTHORIZED' and self.vipps_scopes
            and self.vipps_user_info_state in (False, 'awaited')
        ):
            self._vipps_keep_user_info(payment)
            if not self.vipps_user_info_state:
                self.write({
                    'vipps_user_info_state': 'awaited',
                    'vipps_next_user_info': fields.Datetime.now(),
                })

    def _vipps_keep_user_info(self, payment):
        """ Keep what a payment tells of the customer, as far as that was asked for.

        :param protocol.payment.Payment payment: The payment as read.
        :return: None
        """
        if payment.user_sub:
            self.vipps_user_sub = payment.user_sub
        self._vipps_add_user_details(payment.user_details)

    def _vipps_add_user_details(self, details):
        details = self.env['vipps.api.client']._keep_scopes(details, self.vipps_scopes.split())
        if details:
            self.vipps_user_details = {**(self.vipps_user_details or {}), **details}

    @api.model
    def _vipps_read_next(self):
        """ Override to ask for what customers shared when there is nothing else to do: nobody waits
        for it. """
        outcome = super()._vipps_read_next()
        return self._vipps_receive_next_user_info() if outcome == NOTHING_LEFT else outcome

    @api.model
    def _vipps_receive_next_user_info(self):
        """ Ask for what the customer shared with the payment that is due for the longest time.

        :return: What it came to, see :func:`run_steps`.
        :rtype: str
        """
        tx = self._vipps_lock_next('vipps_next_user_info').sudo()
        if not tx:
            return NOTHING_LEFT
        tx.vipps_next_user_info = False
        if tx.state not in ('authorized', 'done'):  # It was given back: there is nothing to handle.
            tx._vipps_forget()
            return DONE
        delay = next(iter(RETRY_DELAYS[tx.vipps_user_info_tries:]), None)
        error = tx._vipps_read_user_info()
        # An answer can be of before the customer shared the rest: it is asked for once more.
        is_early = not tx.vipps_user_info_tries and not tx._vipps_is_user_info_complete()
        if delay and (error or is_early):
            tx.vipps_user_info_tries += 1
            tx.vipps_next_user_info = fields.Datetime.now() + max(
                delay, timedelta(seconds=error.retry_after if error else 0)
            )
        if not (delay and error):
            tx.vipps_user_info_state = 'received' if tx.vipps_user_details else 'missing'
        # The job has more important things to do than to wait for this.
        return NOTHING_LEFT if error and error.is_no_answer else DONE

    def _vipps_read_user_info(self):
        """ Read what is missing of what the customer shared.

        :return: Why something is still missing, if it is.
        :rtype: VippsError | None
        """
        api_client = self.env['vipps.api.client']
        try:
            if not self.vipps_user_sub:
                self._vipps_keep_user_info(api_client._read_payment(self))
            if not self._vipps_is_user_info_complete():
                if not self.vipps_user_sub:
                    return VippsError(_("Vipps MobilePay has not said yet who the customer is."))
                self._vipps_add_user_details(api_client._read_user_info(self))
        except VippsError as error:
            log_step(_logger, 'user_info', self, outcome=error.outcome, error=error.log_text)
            return error
        return None

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
        """ Forget what customers shared. What they paid stays: it is part of the accounts.

        :return: None
        """
        self.sudo().write({
            'vipps_user_sub': False,
            'vipps_user_details': False,
            'vipps_user_info_state': 'erased',
            'vipps_next_user_info': False,
        })

    def _vipps_forget_customer(self):
        """ Forget what is known of customers and is not needed for the accounts. The name and the
        address stay as core copied them.

        :return: None
        """
        self.filtered('vipps_user_info_state')._vipps_forget()
        self.sudo().write({
            'vipps_scopes': False,  # What is still to come is not kept either.
            'vipps_customer_phone': False,
            'partner_phone': False,
            'partner_email': False,
        })

    @api.model
    def _vipps_purge(self, provider, before):
        """ Forget what was shared with the payments of a provider, and clear what should have been
        cleared when they were decided.

        :param payment.provider provider: The provider.
        :param datetime before: Until when payments were made.
        :return: How many payments were purged; at most :data:`PURGE_LIMIT`.
        :rtype: int
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
