# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import logging
import time

from odoo import _, api, models, release
from odoo.exceptions import UserError
from odoo.modules.module import get_manifest

from ... import const
from ...protocol import amount as protocol_amount
from ...protocol import errors, payloads, phone, receipt, reference, signature, user_info
from ...protocol.access_token import Credentials
from ...protocol.client import Client
from ...protocol.connection import take_clock_offset
from ...protocol.payment import Event

_logger = logging.getLogger(__name__)

# The subscription keys of a provider, the primary one first.
SUBSCRIPTION_KEYS = ('vipps_subscription_key', 'vipps_secondary_subscription_key')


class VippsError(UserError):
    """ What went wrong at Vipps MobilePay, as a sentence for people.

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

    #=== PAYMENTS ===#

    @api.model
    def _create_payment(self, tx, values, sequence):
        """ Create the payment of a transaction.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/createPayment

        :param payment.transaction tx: The root transaction.
        :param dict values: The values of :meth:`_vipps_prepare_payment_values`, in major units. At
            a till without `return_url`, and with `user_flow` (`QR` or `PUSH_MESSAGE`),
            `personal_qr` (the customer's code, for one push message and no log) and `pos`: its
            `pos_id`, the `receipt_number`, and the `tip_amount`, `cash_amount` and `card_amount`
            of the order.
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
            receipt=self._prepare_receipt(
                values['receipt_lines'] or [], amount, tx.currency_id, values.get('pos')
            ),
            metadata=values['metadata'],
            scopes=(tx.vipps_scopes or '').split(),
        )
        with self._call(tx.provider_id, 'create', tx) as limits:
            answer = self._connect_for(tx, **limits).create_payment(
                payload, self._get_idempotency_key(tx, 'create', tx.amount, sequence)
            )
        return answer.get('redirectUrl')

    @api.model
    def _read_payment(self, tx):
        """ Read the payment of a transaction.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/getPayment

        :param payment.transaction tx: The root transaction.
        :return: The payment, in minor units.
        :rtype: protocol.payment.Payment
        :raise VippsError: If it cannot be read.
        """
        with self._call(tx.provider_id, 'get', tx) as limits:
            return self._connect_for(tx, **limits).get_payment(tx.vipps_payment_reference)

    @api.model
    def _read_events(self, tx):
        """ Read the event log of the payment of a transaction, oldest event first.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/getPaymentEventLog

        :param payment.transaction tx: The root transaction.
        :return: The events, in minor units.
        :rtype: list[protocol.payment.Event]
        :raise VippsError: If it cannot be read.
        """
        with self._call(tx.provider_id, 'events', tx) as limits:
            return self._connect_for(tx, **limits).get_events(tx.vipps_payment_reference)

    @api.model
    def _capture_payment(self, tx, amount, idempotency_key):
        """ Capture a part of the payment of a transaction or all of it.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/capturePayment

        :param payment.transaction tx: The root transaction.
        :param float amount: The amount, in major units.
        :param str idempotency_key: The key of :meth:`_get_idempotency_key`.
        :return: The payment after the capture, in minor units.
        :rtype: protocol.payment.Payment
        :raise VippsError: If it is refused, or if it is unknown whether it took effect.
        """
        with self._call(tx.provider_id, 'capture', tx) as limits:
            return self._connect_for(tx, **limits).capture(
                tx.vipps_payment_reference,
                self._to_minor(amount, tx.currency_id),
                tx.currency_id.name,
                idempotency_key,
            )

    @api.model
    def _refund_payment(self, tx, amount, idempotency_key):
        """ Refund a part of what was captured of the payment of a transaction or all of it.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/refundPayment

        :param payment.transaction tx: The root transaction.
        :param float amount: The amount, in major units.
        :param str idempotency_key: The key of :meth:`_get_idempotency_key`.
        :return: The payment after the refund, in minor units.
        :rtype: protocol.payment.Payment
        :raise VippsError: If it is refused, or if it is unknown whether it took effect.
        """
        with self._call(tx.provider_id, 'refund', tx) as limits:
            return self._connect_for(tx, **limits).refund(
                tx.vipps_payment_reference,
                self._to_minor(amount, tx.currency_id),
                tx.currency_id.name,
                idempotency_key,
            )

    @api.model
    def _cancel_payment(self, tx, only_unapproved=False):
        """ Cancel what is not captured of the payment of a transaction.

        See https://developer.vippsmobilepay.com/api/epayment/#operation/cancelPayment

        :param payment.transaction tx: The root transaction.
        :param bool only_unapproved: Whether a payment that the customer approved is left alone.
        :return: The payment after the cancellation, in minor units.
        :rtype: protocol.payment.Payment
        :raise VippsError: If it is refused, or if it is unknown whether it took effect.
        """
        with self._call(tx.provider_id, 'cancel', tx) as limits:
            return self._connect_for(tx, **limits).cancel(
                tx.vipps_payment_reference, only_unapproved=only_unapproved
            )

    @api.model
    def _set_app_link(self, tx, category, url):
        """ Set the link that the app shows with the payment of a transaction.

        See https://developer.vippsmobilepay.com/api/order-management/#operation/put-category-v2

        :param payment.transaction tx: The root transaction.
        :param str category: What the link leads to, as the API calls it.
        :param str url: Where the link leads.
        :return: None
        :raise VippsError: If it was not set, or if that is unknown.
        """
        with self._call(tx.provider_id, 'category', tx):
            self._connect_for(tx).put_category(tx.vipps_payment_reference, category, url)

    @api.model
    def _read_user_info(self, tx):
        """ Read what the customer shared with the payment of a transaction.

        See https://developer.vippsmobilepay.com/api/userinfo/#operation/getUserinfo

        :param payment.transaction tx: The root transaction, in sudo mode.
        :return: See :func:`protocol.user_info.parse_userinfo`.
        :rtype: dict
        :raise VippsError: If it cannot be read.
        """
        with self._call(tx.provider_id, 'userinfo', tx):
            return self._connect_for(tx).get_user_info(tx.vipps_user_sub)

    @api.model
    def _keep_scopes(self, details, scopes):
        """ Return of what was shared only what was asked for.

        :param dict details: What was shared, see :mod:`protocol.user_info`.
        :param list[str] scopes: What was asked for.
        :rtype: dict
        """
        return user_info.keep_scopes(details, scopes)

    #=== WEBHOOKS ===#

    @api.model
    def _list_webhooks(self, provider, key_name=None):
        """ Return the webhook registrations of the sales unit of a provider.

        See https://developer.vippsmobilepay.com/api/webhooks/

        :param payment.provider provider: The provider.
        :param str key_name: The subscription key to use, if not the one that is good.
        :return: The registrations, each with `id`, `url` and `events`.
        :rtype: list[dict]
        :raise VippsError: If they cannot be read.
        """
        with self._call(provider, 'list_webhooks'):
            return self._connect(provider, key_name=key_name).list_webhooks()

    @api.model
    def _register_webhook(self, provider, url):
        """ Register a URL for all events of payments.

        :param payment.provider provider: The provider.
        :param str url: The public URL.
        :return: The `id` and the `secret` of the registration.
        :rtype: dict
        :raise VippsError: If it is refused.
        """
        with self._call(provider, 'register_webhook'):
            return self._connect(provider).register_webhook(url, payloads.PAYMENT_EVENTS)

    @api.model
    def _has_all_events(self, webhook):
        """ Tell whether a webhook registration is for all events of payments.

        :param dict webhook: The registration.
        :rtype: bool
        """
        return set(payloads.PAYMENT_EVENTS) <= set(webhook['events'])

    @api.model
    def _verify_webhook(self, secret, url, body, headers):
        """ Tell whether a webhook carries the signature of Vipps MobilePay.

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

    #=== CONNECTION ===#

    @api.model
    def _fetch_token(self, provider, environment, key_name=None):
        """ Ask for a new access token with the credentials of a provider.

        The sales unit is left out: a wrong one must not look like a wrong client ID.

        :param payment.provider provider: The provider.
        :param str environment: The environment to try the credentials in.
        :param str key_name: The subscription key to use, if not the one that is good.
        :return: None
        :raise VippsError: If the credentials are refused.
        """
        with self._call(provider, 'token', environment=environment):
            self._connect(provider, environment, msn='', key_name=key_name).fetch_token()

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

    @api.model
    def _connect_for(self, tx, **limits):
        """ Return the API client for a transaction, with the sales unit that it was made with.

        :param payment.transaction tx: The root transaction.
        :param limits: How long a call may take, see :meth:`_get_limits`.
        :rtype: protocol.client.Client
        """
        provider = tx.provider_id.sudo()
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
        self, provider, environment=None, msn=None, plugin='odoo-payment-vipps', key_name=None,
        can_alert=True, **limits,
    ):
        """ Return the API client of a provider.

        :param payment.provider provider: The provider.
        :param str environment: The environment, if not the one of the provider.
        :param str msn: The sales unit, if not the one of the provider.
        :param str plugin: What Vipps MobilePay is told to be called by.
        :param str key_name: The only subscription key to use: the name of its field.
        :param bool can_alert: Whether there is a database to tell administrators in.
        :param limits: How long a call may take, see :meth:`_get_limits`.
        :rtype: protocol.client.Client
        :raise VippsError: If the credentials are missing, or if they could be read on their way.
        """
        provider = provider.sudo()  # The credentials are for administrators only.
        # One by one, as fields that not everybody may read are fetched, it would take much longer.
        provider.fetch([
            'vipps_merchant_serial_number',
            'vipps_client_id_ciphertext',
            'vipps_client_secret_ciphertext',
            'vipps_subscription_key_ciphertext',
            'vipps_secondary_subscription_key_ciphertext',
        ])
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
            merchant_serial_number=provider.vipps_merchant_serial_number if msn is None else msn,
        )
        return Client(credentials, {
            'Vipps-System-Name': 'odoo',
            'Vipps-System-Version': release.series,
            'Vipps-System-Plugin-Name': plugin,
            'Vipps-System-Plugin-Version': get_manifest('mobilepay_vipps')['version'],
        }, on_refused_key=provider._vipps_alert_refused_key if can_alert else None, **limits)

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
                "The system parameter %s replaces the test environment of Vipps MobilePay by a"
                " simulator on this machine, and leads somewhere else. No keys are sent there."
                " Remove the parameter, or enter an address such as http://127.0.0.1:8080.",
                const.TEST_API_URL_PARAMETER,
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
        """ Return what people read when Vipps MobilePay refuses something with an error code. """
        return _(errors.CODES[code][0])

    @contextlib.contextmanager
    def _call(self, provider, operation, tx=None, environment=None):
        """ Note how a call goes, and let errors leave as sentences for people.

        :return: How long the call may take, see :meth:`_get_limits`.
        """
        patience = self._get_patience()
        limits = self._get_limits(provider, operation, tx, patience)
        started = time.monotonic()

        def note(error=None):
            duration = time.monotonic() - started
            self.env['vipps.api.call']._note(
                provider, operation, error, tx, environment, duration, take_clock_offset(),
                is_impatient=bool(patience) and not getattr(error, 'status', None)
                and duration >= limits['deadline'],
            )

        try:
            yield limits
        except errors.VippsError as error:
            note(error)
            if patience and isinstance(error, errors.NoAnswer) and not isinstance(
                error, errors.NotNow
            ):
                patience.is_over = True
            raise VippsError(_(error.sentence), error) from error
        note()

    #=== CONVERSIONS ===#

    @api.model
    def _to_minor(self, amount, currency):
        """ Return an amount in minor units.

        :param float amount: The amount of a payment or an operation, in major units.
        :param res.currency currency: The currency.
        :rtype: int
        :raise ValueError: If it has more decimals than the API, see :meth:`_is_exact`.
        """
        return protocol_amount.to_minor(amount, currency.name)

    @api.model
    def _get_decimals(self, currency):
        """ Return how many decimals amounts in a currency have in the API. """
        return protocol_amount.DECIMALS[currency.name]

    @api.model
    def _is_exact(self, amount, currency):
        """ Return whether an amount is a whole number of the API's units. A currency of Odoo can
        have more decimals than the API.

        :param float amount: The amount, in major units.
        :param res.currency currency: The currency.
        :rtype: bool
        """
        try:
            self._to_minor(amount, currency)
        except ValueError:
            return False
        return True

    @api.model
    def _round_down(self, amount, currency):
        """ Return the largest amount in the units of the API, and of the currency if these are
        larger, that does not exceed an amount.

        :param float amount: The amount, in major units.
        :param res.currency currency: The currency, which is one of the API.
        :return: The amount, in major units.
        :rtype: float
        """
        minor = protocol_amount.floor_to_minor(amount, currency.name)
        unit = max(protocol_amount.round_to_minor(currency.rounding, currency.name), 1)
        return self._to_major(minor - minor % unit, currency)

    @api.model
    def _to_major(self, amount, currency):
        """ Return an amount in major units.

        :param int amount: The amount, in minor units.
        :param res.currency currency: The currency.
        :rtype: float
        """
        return float(protocol_amount.to_major(amount, currency.name))

    @api.model
    def _is_payable(self, amount, currency):
        """ Return whether a payment can be for an amount.

        :param float amount: The amount, in major units.
        :param res.currency currency: The currency.
        :rtype: bool
        """
        return (
            currency.name in const.CURRENCY_PAYMENT_METHODS
            and self._is_exact(amount, currency)
            and protocol_amount.within_limits(self._to_minor(amount, currency), currency.name)
        )

    @api.model
    def _normalize_phone(self, number, country):
        """ Return a phone number as the API takes it.

        :param str number: The number as typed by a person.
        :param res.country country: The country of numbers without a country code.
        :return: The number with country code, or None if there is no valid one.
        :rtype: str | None
        """
        return phone.normalize(number or '', country.code or None)

    @api.model
    def _is_code(self, text):
        """ Tell whether the API takes a text as what a customer's own code says. """
        return payloads.is_personal_qr(text)

    @api.model
    def _make_reference(self, prefix, document, suffix):
        """ Return a reference that the API takes and in which the document can be recognized. """
        return reference.make(prefix, document, suffix)

    @api.model
    def _is_reference(self, text):
        """ Tell whether the API takes a text as a reference. """
        return reference.is_valid(text)

    @api.model
    def _get_idempotency_key(self, tx, operation, amount, sequence):
        """ Return the key that makes an operation take effect at most once.

        It is derived and never drawn: each repetition of the same operation has the same key.

        :param payment.transaction tx: The root transaction.
        :param str operation: The operation.
        :param float amount: The amount, in major units.
        :param int|tuple sequence: What tells this operation from an earlier one of the same amount.
        :rtype: str
        """
        return reference.idempotency_key(
            self.env['ir.config_parameter'].sudo().get_param('database.uuid'),
            tx.vipps_payment_reference,
            operation,
            sequence,
            self._to_minor(amount, tx.currency_id),
        )

    @api.model
    def _prepare_receipt(self, lines, amount, currency, pos=None):
        """ Return the receipt of a payment, or None if it does not add up to the amount.

        :param list[dict] lines: The lines, in major units.
        :param int amount: The amount of the payment, in minor units.
        :param res.currency currency: The currency.
        :param dict pos: What a till adds, see :meth:`_create_payment`, in major units.
        :rtype: dict | None
        """
        def to_minor(major):
            # Lines can have more decimals than the API; the receipt evens out what that changes.
            return protocol_amount.round_to_minor(major, currency.name)

        return receipt.build([
            receipt.Line(
                name=line['name'],
                id=line['id'],
                quantity=str(line['quantity']),
                total=to_minor(line['total']),
                tax=to_minor(line['tax']),
                tax_rate=line['tax_rate'] and round(line['tax_rate'] * 100),
                is_shipping=line['is_shipping'],
            )
            for line in lines
        ], amount, currency.name, rounding_name=_("Rounding"), till=pos and receipt.Till(
            id=pos['pos_id'],
            receipt_number=pos['receipt_number'],
            tip=to_minor(pos['tip_amount']),
            cash=to_minor(pos['cash_amount']),
            card=to_minor(pos['card_amount']),
        ))
