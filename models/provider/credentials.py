# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import logging
import os

from odoo import _, _lt, api, fields, models
from odoo.exceptions import UserError
from odoo.osv import expression

from ... import encryption
from ..api.client import SUBSCRIPTION_KEYS, VippsError

_logger = logging.getLogger(__name__)

# The environment variables that win over what is stored, each with `_` and the MSN behind it. They
# are for the database that another variable names: several may run in the same process.
DATABASE_VARIABLE = 'VIPPS_DATABASE'
KEY_VARIABLES = {
    'vipps_client_id': 'VIPPS_CLIENT_ID',
    'vipps_client_secret': 'VIPPS_CLIENT_SECRET',
    'vipps_subscription_key': 'VIPPS_SUBSCRIPTION_KEY',
    'vipps_secondary_subscription_key': 'VIPPS_SECONDARY_SUBSCRIPTION_KEY',
}

# The sentences about keys that Vipps MobilePay refuses: by the operation that it refused, or
# `search` if the keys were tried in all environments, and by the key at fault.
PRIMARY_KEY, SECONDARY_KEY = SUBSCRIPTION_KEYS
REFUSALS = {
    ('token', PRIMARY_KEY): _lt(
        "The subscription key is wrong. Copy the Ocp-Apim-Subscription-Key of this sales unit from"
        " the Vipps MobilePay portal (For developers, API keys) again."
    ),
    ('token', SECONDARY_KEY): _lt(
        "The secondary subscription key is wrong. Copy the secondary Ocp-Apim-Subscription-Key of"
        " this sales unit from the Vipps MobilePay portal (For developers, API keys) again, or"
        " leave it empty."
    ),
    ('token', 'client'): _lt(
        "The client ID or the client secret is wrong. Copy both from the Vipps MobilePay portal"
        " (For developers, API keys) again, and make sure that they are of the %(environment)s"
        " environment."
    ),
    ('token', 'environment'): _lt(
        "These are keys of the %(other)s environment, but the provider is set to %(environment)s."
        " Change the state of the provider, or enter the keys of the %(environment)s environment."
    ),
    ('search', 'client'): _lt(
        "The client ID or the client secret is wrong, or not of the same sales unit as the"
        " subscription key. Copy all of them from the Vipps MobilePay portal (For developers, API"
        " keys) again, either from Test or from Production."
    ),
    ('list_webhooks', PRIMARY_KEY): _lt(
        "The client ID and the client secret fit, but the subscription key is of another sales"
        " unit. Copy the Ocp-Apim-Subscription-Key of this sales unit again."
    ),
    ('list_webhooks', SECONDARY_KEY): _lt(
        "The secondary subscription key is of another sales unit. Copy the secondary"
        " Ocp-Apim-Subscription-Key of this sales unit again, or leave it empty."
    ),
    ('list_webhooks', 'client'): _lt(
        "The client ID and the client secret fit, but the merchant serial number %(msn)s is not the"
        " one of their sales unit. Copy it from the Vipps MobilePay portal again."
    ),
    ('list_webhooks', 'product'): _lt(
        "The keys fit, but the sales unit %(msn)s may not use the payment API. Order Payment"
        " Integration for it in the Vipps MobilePay portal, or wait until it is active."
    ),
}


class PaymentProvider(models.Model):
    """ The keys of the sales unit: their sources, the connection test, their encryption. """
    _inherit = 'payment.provider'

    vipps_environment_keys = fields.Char(
        string="From the Environment",
        help="These keys come from the environment of the server, and win over keys that are"
             " entered here. Replace them on the server.",
        compute='_compute_vipps_key_lists',
        groups='base.group_system',
    )
    vipps_unreadable_keys = fields.Char(
        string="Keys That Cannot Be Read",
        compute='_compute_vipps_key_lists',
        groups='base.group_system',
    )
    vipps_set_keys = fields.Char(compute='_compute_vipps_key_lists', groups='base.group_system')

    #=== COMPUTE METHODS ===#

    @api.depends(lambda self: [
        'vipps_merchant_serial_number', 'code',
        *(f'{name}_ciphertext' for name in self._vipps_get_secret_names()),
    ])
    @api.depends_context('lang')
    def _compute_vipps_key_lists(self):
        for provider in self:
            unreadable = [*filter(
                provider._vipps_is_unreadable, provider._vipps_get_secret_names()
            )]
            provider.vipps_unreadable_keys = provider._vipps_list_labels(unreadable)
            provider.vipps_environment_keys = provider._vipps_list_labels(
                filter(provider._vipps_get_environment_key, KEY_VARIABLES)
            )
            provider.vipps_set_keys = " ".join(
                name for name in KEY_VARIABLES
                if provider[f'{name}_ciphertext'] and name not in unreadable
            )

    @api.model
    def _vipps_list_labels(self, names):
        return ", ".join(self._fields[name]._description_string(self.env) for name in names)

    #=== ACTION METHODS ===#

    def action_vipps_test_connection(self):
        """ Try the credentials step by step.

        :raise UserError: If one of them is wrong; it says which one.
        """
        self._vipps_check_administrator()
        self.ensure_one()
        self._vipps_try_keys()
        self._vipps_follow_good_keys()
        return self._vipps_notify(_(
            "Connected: sales unit %(msn)s (%(environment)s).",
            msn=self.vipps_merchant_serial_number,
            environment=self._vipps_get_environment_name(self.vipps_environment),
        ))

    def action_vipps_rotate_encryption_key(self):
        """ Encrypt the secrets of all providers anew with the first encryption key, as far as they
        can be read.

        :raise UserError: If the encryption key cannot be used.
        """
        self._vipps_check_administrator()
        self._vipps_report_lost_key()
        with self._vipps_explain_encryption_errors():
            encryption.encrypt('', ())  # A malformed key must not seem to be another one.
        unread = self._vipps_encrypt_anew()
        for provider in self.sudo().search([('code', '=', 'vipps')]):
            self.env['vipps.audit.event'].sudo()._record(
                'keys_rotated', provider=provider, outcome='done', details="encryption key",
            )
        if unread:
            message = _(
                "The secrets were encrypted anew, but those of %s cannot be read with any key:"
                " enter them again.", ", ".join(unread.mapped('name')),
            )
        else:
            message = _(
                "The secrets are encrypted with the first encryption key that this server has."
                " Older keys behind it may be removed when this was done in all databases. If there"
                " is only one key, put a new one in front of it, and do this again."
            )
        return self._vipps_notify(message)

    #=== BUSINESS METHODS - TRYING ===#

    def _vipps_try_keys(self, names=SUBSCRIPTION_KEYS):
        """ Try the credentials at Vipps MobilePay.

        :param list names: The fields of the keys that have to work. Of subscription keys that are
                           not among them, any that works will do.
        :raise UserError: If one is wrong; it says which one.
        """
        key_names = [n for n in SUBSCRIPTION_KEYS if n in names and self._vipps_has_key(n)]
        for name in key_names or [None]:
            for operation in ('token', 'list_webhooks'):
                try:
                    self.env['vipps.api.client']._call(self, operation, key_name=name)
                except VippsError as error:
                    raise UserError(
                        self._vipps_explain_refusal(error, operation, name)
                    ) from error

    def _vipps_follow_good_keys(self):
        """ Hook: forget refusals that may be over, as an administrator has found the keys good. """

    def _vipps_find_environment(self, environments, key_name=None):
        """ Return the first of some environments that takes the keys, or None, and the errors of
        the others.

        While a simulator stands in for Vipps MobilePay, test keys are not sent to the real one, nor
        keys of production to the simulator.
        """
        errors, api_client = [], self.env['vipps.api.client']
        for environment in environments:
            if environment != self.vipps_environment and api_client._get_simulator_url():
                continue
            try:
                api_client._call(self, 'token', environment=environment, key_name=key_name)
            except VippsError as error:
                errors.append(error)
            else:
                return environment, errors
        return None, errors

    def _vipps_explain_refusal(self, error, operation, key_name=None):
        """ Return a sentence that says which key is wrong, or that of the error if none is.

        :param VippsError error: The error.
        :param str operation: The operation, see :data:`REFUSALS`.
        :param str key_name: The field of the subscription key that was tried, if not any.
        """
        other = 'production' if self.vipps_environment == 'test' else 'test'
        is_list = operation == 'list_webhooks'
        if is_list and error.is_forbidden:
            fault = 'product'
        elif not (error.is_unauthorized or error.status == 400 or is_list and error.is_not_found):
            return str(error)
        elif operation == 'token' and self._vipps_find_environment([other], key_name)[0]:
            fault = 'environment'
        else:
            fault = (key_name or PRIMARY_KEY) if error.is_subscription_key else 'client'
        sentence = REFUSALS.get((operation, fault)) or REFUSALS['token', fault]
        return str(sentence) % {
            'msn': self.vipps_merchant_serial_number,
            'environment': self._vipps_get_environment_name(self.vipps_environment),
            'other': self._vipps_get_environment_name(other),
        }

    def _vipps_watch_subscription_keys(self):
        """ Check both subscription keys, if there are two, and report one that is refused. """
        names = [name for name in SUBSCRIPTION_KEYS if self._vipps_has_key(name)]
        if len(names) < 2:
            return
        for name in names:
            try:
                self.env['vipps.api.client']._call(self, 'list_webhooks', key_name=name)
            except VippsError as error:
                if error.is_subscription_key:
                    self._vipps_alert_refused_key(name == SECONDARY_KEY)
            else:
                self._vipps_end_alert(name.removeprefix('vipps_'))

    def _vipps_alert_refused_key(self, is_secondary):
        """ Report to an administrator that a subscription key is refused while the other one is
        good. """
        self._vipps_alert_administrator(SUBSCRIPTION_KEYS[is_secondary].removeprefix('vipps_'))

    #=== CONSTRAINT METHODS ===#

    def _check_required_if_provider(self):
        """ Override of `payment` to let providers be written whose keys are in the environment and
        not for this database, as after an update of version 17.0.1.4.0. These keys are not used,
        and health says so. """
        excused = self.filtered(
            lambda p: p.code == 'vipps' and p.sudo()._vipps_waits_for_environment_keys()
        )
        return super(PaymentProvider, self - excused)._check_required_if_provider()

    #=== BUSINESS METHODS - ENVIRONMENT ===#

    def _vipps_has_key(self, name):
        """ Override of `vipps.secrets` for keys that come from the environment of the server. """
        return super()._vipps_has_key(name) or bool(self._vipps_get_environment_key(name))

    def _vipps_get_environment_key(self, name):
        """ Return a key of the sales unit from the environment of the server.

        A neutralized copy of the database may run on the same server, and gets none.
        """
        key = self._vipps_get_environment_variable(KEY_VARIABLES.get(name))
        database = self._vipps_get_environment_variable(DATABASE_VARIABLE)
        if not key or self._vipps_is_neutralized() or database != self.env.cr.dbname:
            return None
        return self._vipps_clean_key(key)

    def _vipps_get_environment_variable(self, variable):
        msn = self.vipps_merchant_serial_number
        return variable and msn and os.environ.get(f'{variable}_{msn}')

    @api.model
    def _vipps_is_neutralized(self):
        return bool(self.env['ir.config_parameter'].sudo().get_param('database.is_neutralized'))

    def _vipps_has_unassigned_environment_keys(self):
        """ Return whether the environment has keys of the sales unit that ought to be used and are
        not: it does not say for which database, as it did not have to for version 17.0.1.4.0, or it
        names another one and this one has no other keys. """
        if not self._vipps_get_environment_variable(DATABASE_VARIABLE):
            return any(
                self._vipps_get_environment_variable(name) for name in KEY_VARIABLES.values()
            )
        return self._vipps_waits_for_environment_keys()

    def _vipps_waits_for_environment_keys(self):
        """ Return whether all keys that are missing are in the environment, and not for this
        database. """
        missing_names = [
            name for name in KEY_VARIABLES
            if hasattr(self._fields[name], 'required_if_provider') and not self._vipps_has_key(name)
        ]
        return bool(missing_names) and not self._vipps_is_neutralized() and all(
            self._vipps_get_environment_variable(KEY_VARIABLES[name]) for name in missing_names
        )

    #=== BUSINESS METHODS - ENCRYPTION ===#

    @api.model
    def _vipps_encrypt_anew(self):
        """ Encrypt all secrets anew with the newest key, those of earlier versions, too. A secret
        that cannot be read is left alone.

        :return: The providers with something that cannot be read.
        """
        providers = self.sudo().with_context(active_test=False).search([('code', '=', 'vipps')])
        for provider in providers:
            values = {
                column: provider._vipps_renew(name, provider[column])
                for name in provider._vipps_get_secret_names()
                for column in [f'{name}_ciphertext']
            }
            values['vipps_webhook_previous_secrets'] = [
                {**secret, 'ciphertext': provider._vipps_renew(
                    'vipps_webhook_secret', secret['ciphertext']
                )} for secret in provider._vipps_get_previous_secrets()
            ] or False
            provider._vipps_store({}, values)  # A missing key keeps no other one from it.
        return providers.filtered('vipps_unreadable_keys')

    def _vipps_renew(self, name, ciphertext):
        """ Return a ciphertext encrypted anew, or as it is if it cannot be read. """
        with contextlib.suppress(encryption.EncryptionKeyError):
            return ciphertext and encryption.renew(ciphertext, self._vipps_get_place(name))
        return ciphertext

    @api.model
    def _vipps_report_lost_key(self):
        """ Log, once, that a new key file is about to be made although there are secrets that only
        the lost one can read. Health alerts the administrators. """
        domain = [[(f'{name}_ciphertext', '!=', False)] for name in self._vipps_get_secret_names()]
        if encryption.is_key_missing() and self.sudo().with_context(
            active_test=False
        ).search_count(expression.OR(domain)):
            _logger.error(
                "The encryption key file is missing, although keys of payment providers are"
                " encrypted with it. A new file is made now. Restore the old one from a backup and"
                " put the new key in front of it, or enter the keys of all providers again."
            )
