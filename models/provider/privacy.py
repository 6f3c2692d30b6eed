# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta
from functools import partial

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..jobs.own_transaction import DONE, NOTHING_LEFT, run_steps

_logger = logging.getLogger(__name__)

# The data that customers can be asked to share, and the fields that choose it.
# ePayment OpenAPI 1.8.1, schema `ProfileRequest`
SCOPE_FIELDS = {
    'name': 'vipps_scope_name',
    'email': 'vipps_scope_email',
    'phoneNumber': 'vipps_scope_phone',
    'address': 'vipps_scope_address',
}

# The data that is removed after a period. Each model has `_vipps_purge(provider, before)`, which
# removes some of the older records and returns their number, 0 when nothing is left.
RETENTION_FIELDS = {
    'payment.transaction': 'vipps_user_info_days',
    'vipps.webhook.event': 'vipps_event_days',
    'vipps.api.call': 'vipps_call_days',
    'vipps.audit.event': 'vipps_audit_days',
}
MAX_DAYS = 3650
# The audit trail is needed at least until the accounts of the year are closed.
MIN_AUDIT_DAYS = 365


class PaymentProvider(models.Model):
    """ Data that customers are asked to share, and periods after which data is removed. """
    _inherit = 'payment.provider'

    vipps_collect_user_info = fields.Boolean(
        string="Collect User Information",
        help="Ask customers of the shop to share data from their app with you when they pay."
             " Customers who decline in the app cannot pay with Vipps MobilePay, so ask only for"
             " what the order needs.",
    )
    vipps_scope_name = fields.Boolean(string="Ask for Name")
    vipps_scope_email = fields.Boolean(string="Ask for E-mail Address")
    vipps_scope_phone = fields.Boolean(string="Ask for Phone Number")
    vipps_scope_address = fields.Boolean(string="Ask for Address")
    vipps_user_info_days = fields.Integer(
        string="Shared by Customers",
        help="For how many days data that customers shared is kept with their payment.",
        default=30,
        tracking=True,
    )
    vipps_event_days = fields.Integer(
        string="Events",
        help="For how many days processed events of Vipps MobilePay are kept.",
        default=90,
        tracking=True,
    )
    vipps_last_removed_event = fields.Datetime(
        help="When the newest of the removed events arrived.",
        copy=False,
        readonly=True,
        groups='base.group_system',
    )
    vipps_call_days = fields.Integer(
        string="API Errors",
        help="For how many days the results of calls to Vipps MobilePay's API are kept.",
        default=30,
        tracking=True,
    )
    vipps_audit_days = fields.Integer(
        string="Audit Trail",
        help="For how many days the audit trail is kept.",
        default=5 * 365,
        tracking=True,
    )

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_collect_user_info', *SCOPE_FIELDS.values())
    def _check_vipps_scopes(self):
        """ Ensure that there is data to ask for. """
        for provider in self:
            if provider.vipps_collect_user_info and not provider._vipps_get_scopes():
                raise ValidationError(_(
                    "Choose the data that customers are asked for, or switch off Collect User"
                    " Information."
                ))

    @api.constrains(*RETENTION_FIELDS.values())
    def _check_vipps_retention(self):
        """ Ensure that no data is removed before it was of use, nor kept for ever by mistake. """
        for provider in self:
            for name in RETENTION_FIELDS.values():
                min_days = MIN_AUDIT_DAYS if name == 'vipps_audit_days' else 1
                if not min_days <= provider[name] <= MAX_DAYS:
                    raise ValidationError(_(
                        "\"%(what)s\" is kept for %(min)s to %(max)s days, and not for %(days)s."
                        " Enter another number.",
                        what=self._fields[name]._description_string(self.env),
                        min=min_days, max=MAX_DAYS, days=provider[name],
                    ))

    #=== BUSINESS METHODS - ASKING ===#

    def _vipps_get_scopes(self):
        """ Return the data that customers are asked to share, by the names of the API. """
        self.ensure_one()
        if not self.vipps_collect_user_info:
            return []
        return [scope for scope, name in SCOPE_FIELDS.items() if self[name]]

    def _vipps_get_user_info_notice(self, method):
        """ Return the sentences on the payment form about the data that customers are asked for.
        """
        scopes = self._vipps_get_scopes() if self.code == 'vipps' else []
        if not scopes:
            return ''
        names = {
            'name': _("name"),
            'email': _("e-mail address"),
            'phoneNumber': _("phone number"),
            'address': _("address"),
        }
        return _(
            "%(method)s will ask you in the app to share this with %(company)s, to handle your"
            " order: %(data)s.",
            method=method.name, company=self.company_id.name,
            data=", ".join(names[scope] for scope in scopes),
        ) + " " + _(
            "If you do not want that, choose another payment method: if you decline in the app,"
            " you do not pay.",
        )

    #=== BUSINESS METHODS - REMOVING ===#

    @api.autovacuum
    def _gc_vipps_kept_data(self):
        """ Remove data after its period, in small parts, each in a database transaction of its own.
        If it takes too long, the next run starts at once and goes on. """
        is_left = False
        for provider in self.with_context(active_test=False).search([('code', '=', 'vipps')]):
            for model in RETENTION_FIELDS:
                try:
                    is_left |= run_steps(self.env, partial(provider._vipps_purge_part, model))
                except Exception:  # The others are purged all the same.
                    _logger.exception("Old data of provider %s is kept: %s.", provider.id, model)
        if is_left:
            self.env.ref('base.autovacuum_job')._trigger()

    def _vipps_purge_part(self, model, env):
        """ Remove a part of the data whose period is over, and record how much that was. """
        provider = self.with_env(env).exists()
        if not provider:
            return NOTHING_LEFT
        before = fields.Datetime.now() - timedelta(days=provider[RETENTION_FIELDS[model]])
        count = env[model]._vipps_purge(provider, before)
        if not count:
            return NOTHING_LEFT
        env['vipps.audit.event']._record('retention', provider, details=_(
            "%(model)s: %(count)s", model=env[model]._description, count=count,
        ))
        return DONE
