# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import NO_ACCESS

from ... import encryption
from ...step_log import log_step
from ...trust import clean
from ..jobs.serialize import serialize
from ..jobs.webhook_event import CHECKED_IN

_logger = logging.getLogger(__name__)

# How long a customer who has scanned a sticker can be asked to pay.
# https://developer.vippsmobilepay.com/docs/APIs/qr-api/
TOKEN_PERIOD = timedelta(minutes=15)

# For how long a customer who has scanned a sticker surely still stands there.
PRESENT_PERIOD = timedelta(minutes=2)

BUS_MESSAGE = 'VIPPS_CHECK_IN'


class VippsWebhookEvent(models.Model):
    """ The check-ins of customers at stickers of tills.

    The token of a check-in is a secret: with it, a customer can be asked for money. It is kept
    encrypted until it is used, at most as long as it is good.
    """
    _inherit = 'vipps.webhook.event'

    token_ciphertext = fields.Char(copy=False, readonly=True, groups=NO_ACCESS)
    good_until = fields.Datetime(string="Customer Waits until", readonly=True)
    till_session_id = fields.Many2one(
        string="POS Session", comodel_name='pos.session', readonly=True, ondelete='set null',
        index='btree_not_null',
    )
    # What the customer was asked to pay.
    transaction_id = fields.Many2one(
        string="Transaction", comodel_name='payment.transaction', readonly=True,
        ondelete='set null', index='btree_not_null',
    )

    _sql_constraints = [(
        'transaction_unique',
        'unique(transaction_id)',
        "One customer is asked for a payment.",
    )]

    #=== BUSINESS METHODS - STORING ===#

    @api.model
    def _get_payment_fields(self):
        """ Override to have what tills are woken with. """
        return [*super()._get_payment_fields(), 'reference', 'vipps_pos_session_id']

    @api.model
    def _store_check_in(self, provider, check_in):
        """ Store a check-in, if it is not there yet, and let the till know of the customer. One at
        a till that is closed, at an unknown sticker, or that comes too late, is only noted.

        :param payment.provider provider: The provider whose webhook was called.
        :param protocol.qr.CheckIn check_in: The check-in, whose signature was verified.
        :return: Whether it is stored; if not, so many came in an hour that it has to come later.
        :rtype: bool
        """
        now = fields.Datetime.now()
        moment = min(check_in.time.replace(microsecond=0), now)
        is_about = self._is_about(
            self.env['payment.transaction'], provider, check_in.msn, success=True
        )
        session = self.env['pos.session']
        if is_about and moment + TOKEN_PERIOD > now:
            session = self.env['pos.config']._vipps_find_session(provider, check_in)
        event = self._insert(provider, {
            'msn': check_in.msn,
            'name': CHECKED_IN,
            'reference': check_in.qr_id,
            # The customer who scans again gets another token.
            'psp_reference': hashlib.sha256(check_in.token.encode()).hexdigest(),
            'event_time': moment,
            'success': True,
            'state': 'processed' if session else 'ignored',
        })
        if not event:
            return event is not None
        log_step(
            _logger, 'checked_in', provider=provider, outcome='done' if session else 'ignored',
            reference=check_in.qr_id,
        )
        if session:
            event._keep_token(session, check_in.token)
        return True

    def _keep_token(self, session, token):
        """ Keep the token of a customer who waits at a till, and let the till know. """
        try:
            ciphertext = encryption.encrypt(token, self._get_token_place())
        except encryption.EncryptionKeyError:
            _logger.error("A check-in cannot be kept: the encryption key cannot be used.")
            return
        until = self.event_time + TOKEN_PERIOD
        self.write({
            'token_ciphertext': ciphertext, 'good_until': until, 'till_session_id': session.id,
        })
        cron = self.env.ref('mobilepay_vipps.cron_forget_check_ins', raise_if_not_found=False)
        if cron:
            cron._trigger(until)
        session._vipps_tell_of_check_ins()

    def _get_token_place(self):
        uuid = self.env['ir.config_parameter'].sudo().get_param('database.uuid')
        return (uuid, self._name, self.id, 'token')

    def _get_token(self):
        """ Return the token, if a payment can still be made with it.

        :rtype: str | None
        """
        if not self.token_ciphertext or self.good_until <= fields.Datetime.now():
            return None
        try:
            return encryption.decrypt(self.token_ciphertext, self._get_token_place())
        except encryption.EncryptionKeyError:
            return None

    #=== BUSINESS METHODS - FORGETTING ===#

    def _forget_token(self):
        """ Forget the tokens: they were used, or are no good any longer. """
        self.token_ciphertext = False

    def _dismiss(self):
        """ Forget customers who have left: who comes after that is not taken for one of them. """
        self._forget_token()
        # Who came in this second was there before.
        self.good_until = fields.Datetime.now() + timedelta(seconds=1)

    @api.model
    def _cron_forget_check_ins(self):
        """ Forget the tokens that are no good any longer. """
        self.search([
            ('token_ciphertext', '!=', False), ('good_until', '<=', fields.Datetime.now()),
        ])._forget_token()

    #=== BUSINESS METHODS - BINDING ===#

    def _bind(self, tx):
        """ Let a customer be asked for one payment only, whoever else wants to ask.

        :param payment.transaction tx: The attempt.
        :return: None
        """
        serialize(self)  # Whoever comes later starts anew, and sees this.
        self.transaction_id = tx
        tx.last_state_change = fields.Datetime.now()  # The customer's time begins.

    def _is_alone(self):
        """ Return whether no other customer waited or was paying at the till when this one came,
        and none has come since: then it is certain which of them stands there. One who scans twice
        must not be asked for what the next one buys. """
        return self.event_time > fields.Datetime.now() - PRESENT_PERIOD and not self.search_count([
            ('till_session_id', '=', self.till_session_id.id),
            ('id', '!=', self.id),
            ('good_until', '>', self.event_time),
            '|', '|', ('transaction_id', '=', False), ('transaction_id.state', '=', 'draft'),
            ('transaction_id.last_state_change', '>=', self.event_time),
        ], limit=1)


class PosSession(models.Model):
    """ The customers who wait at a till. """
    _inherit = 'pos.session'

    #=== PUBLIC METHODS - CHECK-INS ===#

    def vipps_list_check_ins(self):
        """ Return the customers who have scanned the sticker of the till and were not asked to pay
        yet, the first one first: each its `id`, and for how many `seconds` it has waited.

        :rtype: list[dict]
        """
        self = clean(self)
        self._vipps_check_till()
        return self._vipps_describe_check_ins()

    def vipps_dismiss_check_in(self, check_in):
        """ Forget a customer who has scanned the sticker of the till and left, unless the customer
        was asked to pay. Who scans again waits again.

        :param int check_in: The id of the customer.
        :return: Who waits now, as :meth:`vipps_list_check_ins`.
        :rtype: list[dict]
        """
        self = clean(self)
        self._vipps_check_till()
        check_ins_sudo = self._vipps_get_check_ins_sudo().filtered(
            lambda c: type(check_in) is int and c.id == check_in
        )
        if check_ins_sudo:
            check_ins_sudo._dismiss()
            self._vipps_tell_of_check_ins()
        return self._vipps_describe_check_ins()

    #=== BUSINESS METHODS - CHECK-INS ===#

    def _vipps_get_check_ins_sudo(self):
        """ Return the check-ins of the customers who were not asked to pay yet.

        :rtype: vipps.webhook.event
        """
        return self.env['vipps.webhook.event'].sudo().search([
            ('till_session_id', '=', self.id),
            ('transaction_id', '=', False),
            ('token_ciphertext', '!=', False),
            ('good_until', '>', fields.Datetime.now()),
        ], order='event_time, id')

    def _vipps_describe_check_ins(self):
        now = fields.Datetime.now()
        return [{
            'id': check_in.id, 'seconds': int((now - check_in.event_time).total_seconds()),
        } for check_in in self._vipps_get_check_ins_sudo()]

    def _vipps_tell_of_check_ins(self):
        """ Let the till look at who waits. """
        self.env['bus.bus'].sudo()._sendone(
            self._get_bus_channel_name(), BUS_MESSAGE, {},
        )


class PaymentTransaction(models.Model):
    """ Attempts that ask a customer who has scanned the sticker of the till. """
    _inherit = 'payment.transaction'

    vipps_check_in_ids = fields.One2many(
        comodel_name='vipps.webhook.event', inverse_name='transaction_id', groups=NO_ACCESS,
    )
    # Fixed with the attempt: a repetition must ask in the same way.
    vipps_sticker_redirects = fields.Boolean(copy=False, readonly=True)

    #=== BUSINESS METHODS - STATUS ===#

    def _vipps_waits_for_scan(self):
        """ Return whether the customer has to scan the sticker first: nobody was asked yet. """
        return (
            self.vipps_pos_flow == 'sticker' and self.operation != 'refund'
            and self.state == 'draft' and not self.vipps_payment_state
            and not self.sudo().vipps_check_in_ids
        )

    def _vipps_get_scan_status(self):
        """ Return what tills need to know of the customers who have scanned the sticker.

        :return: `check_ins`: who waits; `is_ready`: whether it is certain who is to be asked;
                 `is_bound`: whether the customer is going to be asked by the next start.
        :rtype: dict
        """
        if self.vipps_pos_flow != 'sticker':
            return {}
        if self._vipps_waits_for_scan():
            return {
                'check_ins': self.vipps_pos_session_id._vipps_describe_check_ins(),
                'is_ready': bool(self._vipps_find_check_in()),
            }
        return {'is_bound': self._vipps_get_till_state() == 'unknown'}

    def _vipps_get_start_time(self):
        """ Override to count from the time at which the customer was bound. """
        if self.vipps_pos_flow == 'sticker' and self.state == 'draft':
            return max(self.create_date, self.last_state_change)
        return super()._vipps_get_start_time()

    #=== BUSINESS METHODS - STARTING ===#

    def _vipps_find_check_in(self):
        """ Return the check-in of the customer who surely is the one to ask: the only one who has
        waited, while only one order waits for a customer.

        :rtype: vipps.webhook.event
        """
        check_ins = self.vipps_pos_session_id._vipps_get_check_ins_sudo()
        questions = self.sudo().search([
            ('vipps_pos_session_id', '=', self.vipps_pos_session_id.id),
            ('vipps_pos_flow', '=', 'sticker'),
            ('state', '=', 'draft'),
            ('vipps_payment_state', '=', False),
        ]).filtered(lambda tx: tx._vipps_waits_for_scan())
        is_certain = len(check_ins) == 1 and questions == self.sudo() and check_ins._is_alone()
        return check_ins if is_certain else check_ins.browse()

    def _vipps_start_by_sticker(self, check_in_id=None):
        """ Bind the customer who has scanned the sticker, and ask that customer when it is called
        again: what was bound is committed before anybody is asked.

        :param int check_in_id: The check-in that the cashier chose, if it was chosen.
        """
        check_in = self.sudo().vipps_check_in_ids
        if not check_in:
            waiting = self.vipps_pos_session_id._vipps_get_check_ins_sudo()
            check_in = (
                waiting.filtered(lambda c: c.id == check_in_id) if check_in_id
                else self._vipps_find_check_in()
            )
            if check_in:
                check_in._bind(self)
                self.vipps_pos_session_id._vipps_tell_of_check_ins()
            return
        token = check_in._get_token()
        if not token:
            self._vipps_find_payment()
            if self.state == 'draft' and not self.vipps_payment_state:
                self._set_canceled(self.env['vipps.api.client']._get_sentence('4050'))
        else:
            error = self._vipps_create_payment(
                'attempt_started', self._vipps_prepare_attempt_values(customer_token=token)
            )
            if error:
                self._vipps_refuse_attempt(error)
        if self.state != 'draft' or self.vipps_payment_state:
            check_in._forget_token()

    def _vipps_change_refused_values(self, values, error):
        """ Override to ask a customer who has checked in in the other way that is documented, if
        the sales unit may not send push messages; the next one is asked so at once. """
        if not values.get('customer_token') or error.code != '5080' or values['return_url']:
            return super()._vipps_change_refused_values(values, error)
        self.vipps_pos_method_id.vipps_sticker_redirects = True
        return {**values, **self._vipps_prepare_redirection()}

    def _vipps_prepare_redirection(self):
        return {'user_flow': 'WEB_REDIRECT', 'return_url': self._vipps_get_return_url()}
