# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time

from odoo import _, api, models, release
from odoo.exceptions import UserError
from odoo.modules.module import get_manifest

from ... import const
from ...protocol import errors, payloads, signature
from ...protocol.access_token import Credentials
from ...protocol.apis import VippsClient
from ...protocol.connection import take_clock_offset
from ...protocol.payment import Event

_logger = logging.getLogger(__name__)

# The subscription keys of a provider, the primary one first.
SUBSCRIPTION_KEYS = ('vipps_subscription_key', 'vipps_secondary_subscription_key')

# The operations by their names in the log of calls, with the methods of the protocol's client.
METHODS = {
    'create': 'create_payment',
    'get': 'get_payment',
    'events': 'get_events',
    'capture': 'capture',
    'refund': 'refund',
    'cancel': 'cancel',
    'category': 'put_category',
    'userinfo': 'get_user_info',
    'token': 'fetch_token',
    'list_webhooks': 'list_webhooks',
    'register_webhook': 'register_webhook',
    'ledgers': 'get_ledgers',
    'feed': 'read_feed',
    'day': 'read_date',
    'put_sticker': 'put_callback_qr',
    'take_over_sticker': 'take_over_callback_qr',
    'sticker': 'get_callback_qr',
    'stickers': 'list_callback_qrs',
    'delete_sticker': 'delete_callback_qr',
    'create_redirect': 'create_redirect_qr',
    'redirect': 'get_redirect_qr',
    'update_redirect': 'update_redirect_qr',
    'delete_redirect': 'delete_redirect_qr',
    'picture': 'fetch_qr_picture',
}


class VippsError(UserError):
    """ An error of Vipps MobilePay, as a sentence for people.

    :param str message: The translated sentence.
    :param errors.VippsError error: The error of the protocol, if one was met.
    :param bool is_unknown: Whether the operation may have taken effect although we do not know it.
    """

    def __init__(self, message, error=None, is_unknown=False):
        super().__init__(message)
        self.sentence = error and error.sentence  # In English: not all read the same language.
        self.code = error and error.code
        self.status = error and error.status
        self.trace_id = error and error.trace_id
        self.retryable = bool(error and error.retryable)
        self.fields = error.fields if error else ()  # at fault, as the API calls them
        # What an operator needs, without anything that is secret or personal.
        self.log_text = str(error or message)
        self.is_unknown = is_unknown or isinstance(error, (errors.NoAnswer, errors.Conflict))
        self.is_recorded = False  # in the audit trail and the log
        self.outcome = 'unknown' if self.is_unknown else 'refused'  # for the audit trail and logs
        self.is_not_now = isinstance(error, errors.NotNow)
        # Of the API itself, while what is said not to be now is one payment.
        self.is_no_answer = isinstance(error, errors.NoAnswer) and not self.is_not_now
        self.retry_after = (error and error.retry_after) or 0  # in seconds
        self.is_conflict = isinstance(error, errors.Conflict)
        self.is_not_found = isinstance(error, errors.NotFound)
        self.is_unauthorized = isinstance(error, errors.Unauthorized)
        self.is_forbidden = isinstance(error, errors.Forbidden)
        self.is_subscription_key = isinstance(error, errors.SubscriptionKeyRefused)


class VippsApiClient(models.AbstractModel):
    """ The door between Odoo and the APIs of Vipps MobilePay.

    Amounts are in major units on Odoo's side and in minor units on the other side; they are
    converted here and nowhere else. Errors of the protocol leave as :class:`VippsError`.
    """
    _name = 'vipps.api.client'
    _description = "Vipps MobilePay API Client"

    #=== CALLS ===#

    @api.model
    def _call_for(self, tx, operation, amount=None, **arguments):
        """ Call an operation of the API on the payment of a transaction.

        :param payment.transaction tx: The root transaction.
        :param str operation: The operation, one of :data:`METHODS`.
        :param float amount: The amount of a capture or a refund, in major units.
        :param arguments: What else the method of :class:`protocol.apis.VippsClient` takes.
        :return: What that method returns, with amounts in minor units.
        :raise VippsError: If the operation is refused, or if it is unknown whether it took effect.
        """
        if amount is not None:
            arguments['amount'] = self._to_minor(amount, tx.currency_id)
            arguments['currency'] = tx.currency_id.name
        return self._call(
            tx.provider_id, operation, tx=tx, reference=tx.vipps_payment_reference, **arguments
        )

    @api.model
    def _call(
        self, provider, operation, tx=None, environment=None, key_name=None, **arguments,
    ):
        """ Call an operation of the API within the patience of the person who waits, if there is
        one, and log the call.

        :param payment.provider provider: The provider.
        :param str operation: The operation, one of :data:`METHODS`.
        :param payment.transaction tx: The root transaction, if it is about a payment.
        :param str environment: The environment, if not the one of the provider.
        :param str key_name: The only subscription key to use, if not any: the name of its field.
        :param arguments: What the method of :class:`protocol.apis.VippsClient` takes.
        :return: What that method returns, with amounts in minor units.
        :raise VippsError: If the operation is refused, or if it is unknown whether it took effect.
        """
        patience = self._get_patience()
        limits = self._get_limits(provider, operation, tx, patience)
        started = time.monotonic()
        if tx:
            client = self._connect_for(tx, **limits)
        else:
            client = self._connect(
                provider, environment, key_name=key_name,
                with_unit=operation != 'token',  # A wrong one must not look like a wrong client ID.
                **limits,
            )
        answer = error = None
        try:
            answer = getattr(client, METHODS[operation])(**arguments)
        except errors.VippsError as cause:
            error = VippsError(_(cause.sentence), cause)
            error.__cause__ = cause
        duration = time.monotonic() - started
        is_impatient = bool(patience) and duration >= limits['deadline'] and not (
            error and error.status
        )
        self.env['vipps.api.call']._note(
            provider, operation, error, tx, environment, duration, take_clock_offset(),
            is_impatient,
        )
        if error:
            if patience and error.is_no_answer:
                patience.is_over = True
            raise error
        return answer

    #=== PAYMENTS ===#

    @api.model
    def _create_payment(self, tx, values, sequence):
        """ Create the payment of a transaction.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/createPayment

        :param payment.transaction tx: The root transaction.
        :param dict values: The values of :meth:`_vipps_prepare_payment_values`, in major units. At
            a till without `return_url`, and with `user_flow` (`QR` or `PUSH_MESSAGE`),
            `personal_qr` (the customer's code) or `customer_token` (of a check-in), both for one
            payment and no log, and `pos`: its `pos_id`, the `receipt_number`, and the
            `tip_amount`, `cash_amount` and `card_amount` of the order. For Express with
            `shipping`, see :meth:`_prepare_shipping`, and with `legal_links`: the URLs of the terms
            of sale and of the privacy policy. For a request that stays open on a phone with
            `expires_at`, and an `url` in each line.
        :param int sequence: The number of definite refusals met before.
        :return: The URL to send the customer to or to show as a QR code; None for a push message.
        :rtype: str | None
        :raise VippsError: If the payment is refused, or if it is unknown whether it was created.
        """
        currency = tx.currency_id.name
        amount = self._to_minor(tx.amount, tx.currency_id)
        payload = payloads.create_payment(
            reference=tx.vipps_payment_reference,
            amount=amount,
            currency=currency,
            description=values['description'],
            user_flow=values.get('user_flow') or 'WEB_REDIRECT',
            return_url=values.get('return_url'),
            phone=values.get('phone'),
            personal_qr=values.get('personal_qr'),
            customer_token=values.get('customer_token'),
            receipt=self._prepare_receipt(
                values['receipt_lines'] or [], amount, tx.currency_id, values.get('pos')
            ),
            metadata=values['metadata'],
            scopes=(tx.vipps_scopes or '').split(),
            shipping=self._prepare_shipping(values.get('shipping'), tx.currency_id),
            legal_links=values.get('legal_links'),
            expires_at=values.get('expires_at'),
        )
        answer = self._call(
            tx.provider_id, 'create', tx=tx, payload=payload,
            idempotency_key=self._get_idempotency_key(tx, 'create', tx.amount, sequence),
        )
        return answer.get('redirectUrl')

    #=== WEBHOOKS ===#

    @api.model
    def _has_all_events(self, webhook):
        """ Return whether a webhook registration is for all events of payments.

        :param dict webhook: The registration.
        :rtype: bool
        """
        return set(payloads.PAYMENT_EVENTS) <= set(webhook['events'])

    @api.model
    def _verify_webhook(self, secret, url, body, headers):
        """ Return whether a webhook carries the signature of Vipps MobilePay.

        :param str secret: The secret of the registration.
        :param str url: The registered URL; a proxy may have changed the one of the request.
        :param bytes body: The raw body.
        :param Mapping headers: The headers of the request.
        :rtype: bool
        """
        return signature.verify(secret, url, body, headers)

    @api.model
    def _parse_webhook(self, data):
        """ Return the event of a webhook.

        :param dict data: The parsed body.
        :return: The event, in minor units.
        :rtype: protocol.payment.Event
        :raise ValueError: If this is not an event.
        """
        try:
            return Event.parse(data)
        except errors.VippsError as error:
            raise ValueError("not an event of a payment") from error

    @api.model
    def _prepare_webhook_deletion(self, provider, webhook_ids):
        """ Return a function that deletes webhooks of a provider, needs no database, and only logs
        what goes wrong.

        :param payment.provider provider: The provider.
        :param list[str] webhook_ids: The ids of the registrations.
        :rtype: function
        :raise VippsError: If the credentials are missing.
        """
        client = self._connect(provider, can_alert=False)

        def delete():
            for webhook_id in webhook_ids:
                try:
                    client.delete_webhook(webhook_id)
                except errors.NotFound:
                    continue  # Somebody else deleted it.
                except errors.VippsError as error:
                    _logger.info("The webhook %s is left at Vipps MobilePay: %s", webhook_id, error)

        return delete

    #=== CONNECTION ===#

    @api.model
    def _connect_for(self, tx, **limits):
        """ Return the API client for a transaction, with the sales unit that it was made with.

        :param payment.transaction tx: The root transaction.
        :param limits: How long a call may take, see :meth:`_get_limits`.
        :rtype: protocol.apis.VippsClient
        """
        provider = self._fetch_keys(tx.provider_id)
        if (tx.vipps_environment, tx.vipps_merchant_serial_number) != (
            provider.vipps_environment, provider.vipps_merchant_serial_number
        ):
            raise VippsError(_(
                "The payment %(reference)s was made with the sales unit %(msn)s in the"
                " %(environment)s environment, for which %(provider)s no longer has keys. Use"
                " the Vipps MobilePay portal for this payment, or enter those keys again.",
                reference=tx.reference, msn=tx.vipps_merchant_serial_number,
                environment=tx.vipps_environment, provider=provider.name,
            ))
        is_till = tx.vipps_user_flow in ('QR', 'PUSH_MESSAGE')
        return self._connect(
            provider, plugin='odoo-pos-vipps' if is_till else 'odoo-payment-vipps', **limits
        )

    @api.model
    def _connect(
        self, provider, environment=None, with_unit=True, plugin='odoo-payment-vipps',
        key_name=None, can_alert=True, **limits,
    ):
        """ Return the API client of a provider.

        :param payment.provider provider: The provider.
        :param str environment: The environment, if not the one of the provider.
        :param bool with_unit: Whether to name the sales unit.
        :param str plugin: What Vipps MobilePay is told to be called by.
        :param str key_name: The only subscription key to use: the name of its field.
        :param bool can_alert: Whether there is a database to tell administrators in.
        :param limits: How long a call may take, see :meth:`_get_limits`.
        :rtype: protocol.apis.VippsClient
        :raise VippsError: If the credentials are missing, or if they could be read on their way.
        """
        provider = self._fetch_keys(provider)
        base_url = self._get_api_url(provider, environment or provider.vipps_environment)
        names = [
            name for name in SUBSCRIPTION_KEYS
            if name == key_name or not key_name and provider._vipps_has_key(name)
        ]
        subscription_keys = [
            provider._vipps_get_secret(name) for name in names or SUBSCRIPTION_KEYS[:1]
        ]
        credentials = Credentials(
            base_url=base_url,
            client_id=provider._vipps_get_secret('vipps_client_id'),
            client_secret=provider._vipps_get_secret('vipps_client_secret'),
            subscription_key=subscription_keys[0],
            secondary_subscription_key=subscription_keys[1] if len(names) == 2 else '',
            merchant_serial_number=provider.vipps_merchant_serial_number if with_unit else '',
        )
        return VippsClient(credentials, {
            'Vipps-System-Name': 'odoo',
            'Vipps-System-Version': release.series,
            'Vipps-System-Plugin-Name': plugin,
            'Vipps-System-Plugin-Version': get_manifest('mobilepay_vipps')['version'],
        }, on_refused_key=provider._vipps_alert_refused_key if can_alert else None, **limits)

    @api.model
    def _fetch_keys(self, provider):
        """ Return a provider in sudo mode, for administrators only see the credentials. One by one,
        as fields that not everybody may read are fetched, it would take much longer. """
        provider = provider.sudo()
        provider.fetch([
            'vipps_environment',
            'vipps_merchant_serial_number',
            'vipps_client_id_ciphertext',
            'vipps_client_secret_ciphertext',
            'vipps_subscription_key_ciphertext',
            'vipps_secondary_subscription_key_ciphertext',
        ])
        return provider

    @api.model
    def _get_api_url(self, provider, environment):
        """ Return the address of the API. Nothing replaces that of production, and keys of a
        provider in production go nowhere else either.

        :param payment.provider provider: The provider whose keys are sent there.
        :param str environment: The environment.
        :rtype: str
        :raise VippsError: If it is replaced by an address that is not on this machine.
        """
        simulator_url = self._get_simulator_url()
        if not simulator_url or 'production' in (environment, provider.vipps_environment):
            return const.API_URLS[environment]
        if not const.LOOPBACK_URL.fullmatch(simulator_url):
            raise VippsError(_(
                "The system parameter %(parameter)s replaces the test environment of Vipps"
                " MobilePay by a simulator on this machine, and leads somewhere else. No keys are"
                " sent there. Remove the parameter, or enter an address such as %(example)s.",
                parameter=const.TEST_API_URL_PARAMETER, example=const.EXAMPLE_SIMULATOR_URL,
            ))
        return simulator_url

    @api.model
    def _get_simulator_url(self):
        """ Return the address that replaces the API of the test environment, if any; whether keys
        may be sent there is up to :meth:`_get_api_url`. """
        return self.env['ir.config_parameter'].sudo().get_param(const.TEST_API_URL_PARAMETER)

    @api.model
    def _is_simulated(self, provider):
        """ Return whether a provider talks to a simulator on this machine. """
        return provider.vipps_environment == 'test' and bool(
            const.LOOPBACK_URL.fullmatch(self._get_simulator_url() or '')
        )

    @api.model
    def _get_sentence(self, code):
        """ Return the sentence for people about a refusal with an error code. """
        return _(errors.CODES[code][0])
