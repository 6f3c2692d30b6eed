# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import hashlib
import secrets

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

from ... import const

# The alphabet of the random part of references, without look-alikes.
REFERENCE_ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'


class PaymentTransaction(models.Model):
    _name = 'payment.transaction'
    _inherit = ['payment.transaction', 'vipps.guarded.export']

    # Core looks for the children of a transaction without an index.
    source_transaction_id = fields.Many2one(index='btree_not_null')
    vipps_payment_reference = fields.Char(
        string="Vipps Payment Reference",
        help="The reference of the payment at Vipps MobilePay. Captures and refunds share the one"
             " of their source transaction.",
        copy=False,
        readonly=True,
    )
    vipps_psp_reference = fields.Char(
        string="Vipps PSP Reference",
        help="The reference of the capture or refund in the settlements of Vipps MobilePay.",
        copy=False,
        readonly=True,
        index='btree_not_null',
    )
    vipps_idempotency_key = fields.Char(copy=False, readonly=True, groups='base.group_system')
    vipps_payment_state = fields.Selection(
        string="Vipps Payment State",
        help="The state of the payment when it was last read.",
        selection=[
            ('CREATED', "Created"),
            ('AUTHORIZED', "Reserved"),
            ('CAPTURED', "Captured"),
            ('CANCELLED', "Released"),
            ('REFUNDED', "Refunded"),
            ('EXPIRED', "Expired"),
            ('ABORTED', "Aborted by the customer"),
            ('TERMINATED', "Cancelled before approval"),
        ],
        copy=False,
        readonly=True,
    )
    vipps_user_flow = fields.Selection(
        string="Vipps User Flow",
        selection=[
            ('WEB_REDIRECT', "Web page"), ('QR', "QR code"), ('PUSH_MESSAGE', "Push message")
        ],
        copy=False,
        readonly=True,
    )
    vipps_environment = fields.Selection(
        string="Vipps Environment",
        selection=[('test', "Test"), ('production', "Production")],
        copy=False,
        readonly=True,
    )
    vipps_merchant_serial_number = fields.Char(
        string="Merchant Serial Number", copy=False, readonly=True
    )
    vipps_capture_mode = fields.Selection(
        string="Capture Mode",
        help="How the provider captured payments when this one was started.",
        selection=[
            ('manual', "Manually"), ('automatic', "Automatically"), ('on_delivery', "On delivery")
        ],
        copy=False,
        readonly=True,
    )
    vipps_market = fields.Selection(
        string="Market",
        selection=[('NO', "Norway"), ('DK', "Denmark"), ('FI', "Finland")],
        compute='_compute_vipps_market',
        store=True,
    )
    # Carries a token: anybody with it can approve the payment. Cleared when it is decided.
    vipps_redirect_url = fields.Char(copy=False, readonly=True, groups='base.group_system')
    vipps_last_read = fields.Datetime(
        string="Last Checked with Vipps MobilePay", copy=False, readonly=True
    )
    vipps_task_ids = fields.One2many(
        comodel_name='vipps.task', inverse_name='transaction_id', groups='base.group_system',
    )

    _sql_constraints = [(
        'vipps_payment_reference_unique',
        'unique(vipps_payment_reference)',
        "A payment reference can be used only once.",
    )]

    #=== COMPUTE METHODS ===#

    @api.depends('currency_id', 'vipps_payment_reference')
    def _compute_vipps_market(self):
        for tx in self:
            tx.vipps_market = tx.vipps_payment_reference and const.CURRENCY_MARKETS.get(
                tx.currency_id.name
            )

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override of `payment` to let only the system create transactions of Vipps MobilePay. """
        txs = super().create(values_list)
        txs._vipps_check_system()
        return txs

    def write(self, values):
        """ Override of `payment` to let only the system write transactions of Vipps MobilePay.

        Accountants have the right to write transactions, but those of Vipps MobilePay only follow
        the payments that were read there.
        """
        self._vipps_check_system()
        res = super().write(values)
        self._vipps_check_system()  # Nor can another transaction become one.
        return res

    def _vipps_check_system(self):
        txs_sudo = self.sudo()
        # A child counts in the held and paid amounts of the documents of its source transaction.
        if not self.env.su and 'vipps' in (
            txs_sudo | txs_sudo.source_transaction_id
        ).mapped('provider_code'):
            raise AccessError(_(
                "Transactions of Vipps MobilePay cannot be edited. Use their buttons, or those of"
                " the order or the invoice."
            ))

    @api.model
    def _get_specific_create_values(self, provider_code, values):
        """ Override of `payment` to keep the values that every later request is made with.

        Child transactions stand for operations on the payment of their source transaction.
        """
        res = super()._get_specific_create_values(provider_code, values)
        if provider_code != 'vipps' or values.get('source_transaction_id'):
            return res
        # The keys are read with it: in a moment, the payment is created.
        provider_sudo = self.env['vipps.api.client']._fetch_keys(
            self.env['payment.provider'].browse(values['provider_id'])
        )
        reference = values['reference']
        # Only references with this prefix are unique among databases that share the sales unit.
        if not reference.startswith(self._vipps_get_reference_prefix() + '-') or (
            not self.env['vipps.api.client']._is_reference(reference)
        ):
            reference = self._vipps_make_reference(reference)
        return {
            **res,
            'vipps_payment_reference': reference,
            'vipps_user_flow': values.get('vipps_user_flow') or 'WEB_REDIRECT',
            'vipps_environment': provider_sudo.vipps_environment,
            'vipps_merchant_serial_number': provider_sudo.vipps_merchant_serial_number,
            'vipps_capture_mode': (
                values.get('vipps_capture_mode') or provider_sudo.vipps_capture_mode
            ),
        }

    #=== BUSINESS METHODS - READING ===#

    @api.model
    def _vipps_get_column_names(self):
        """ Return the names of all fields of a row, to be fetched at once: in the environment of a
        customer, each that not everybody may read would take a query of its own. """
        return [name for name, field in self._fields.items() if field.store and field.column_type]

    #=== BUSINESS METHODS - REFERENCES ===#

    @api.model
    def _compute_reference(self, provider_code, prefix=None, separator='-', **kwargs):
        """ Override of `payment` to meet the rules of Vipps MobilePay: a limited alphabet, and each
        reference only once per sales unit for ever.

        The reference of a capture or refund, which is made from the one of its payment, is not sent
        anywhere and left to core.
        """
        if provider_code != 'vipps' or self._vipps_is_child_prefix(prefix or ''):
            return super()._compute_reference(
                provider_code, prefix=prefix, separator=separator, **kwargs
            )
        return self._vipps_make_reference(
            prefix or self.sudo()._compute_reference_prefix(provider_code, separator, **kwargs)
        )

    @api.model
    def _vipps_is_child_prefix(self, prefix):
        """ Return whether core makes the reference of a capture or refund from a prefix. """
        return prefix.startswith(('P-', 'R-')) and bool(self.sudo().search_count([
            ('reference', '=', prefix[2:]), ('provider_code', '=', 'vipps'),
        ], limit=1))

    @api.model
    def _vipps_make_reference(self, document):
        """ Return a reference for a new attempt to pay a document.

        :return: The prefix of this database, the number, and a random part, which makes the
                 reference unique after a backup was restored, too.
        """
        return self.env['vipps.api.client']._make_reference(
            self._vipps_get_reference_prefix(),
            document or 'tx',
            ''.join(secrets.choice(REFERENCE_ALPHABET) for _i in range(6)),
        )

    @api.model
    def _vipps_get_reference_prefix(self):
        """ Return the beginning of the references of this database: others may share its sales
        unit. """
        uuid = self.env['ir.config_parameter'].sudo().get_param('database.uuid')
        return base64.b32encode(hashlib.sha256(uuid.encode()).digest()).decode()[:5]

    #=== BUSINESS METHODS - LANGUAGES ===#

    def _vipps_in_customer_language(self):
        return self.with_context(lang=self.partner_lang or self.env.lang)

    def _vipps_in_staff_language(self):
        return self.with_context(lang=self.company_id.partner_id.lang)
