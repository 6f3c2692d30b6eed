# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ... import const

# As many days as the API ever lets a reservation be captured for.
MAX_RESERVATION_DAYS = 180


class PaymentProvider(models.Model):
    _inherit = 'payment.provider'

    capture_manually = fields.Boolean(
        compute='_compute_capture_manually', store=True, readonly=False
    )
    vipps_capture_mode = fields.Selection(
        string="Capture",
        help="Manually: payments stay reserved until somebody captures them, from the transaction"
             " or from the order.\n"
             "Automatically: payments are captured as soon as the customer approves them. Choose"
             " this only if you deliver immediately.\n"
             "On delivery: the delivered part of an order is captured automatically, with any"
             " invoicing policy of its products. Services that are invoiced on ordered quantities"
             " are captured with the first shipment, or when the order is confirmed if there is"
             " nothing to ship. Payments of invoices and payment links are captured immediately.",
        selection=[
            ('manual', "Manually"), ('automatic', "Automatically"), ('on_delivery', "On delivery")
        ],
        default='manual',
        required=True,
        tracking=True,
    )
    vipps_release_when_closed = fields.Boolean(
        string="Release the Rest",
        help="Release the rest of a reservation when nothing more of the order will be delivered.",
        default=True,
        tracking=True,
    )
    vipps_reservation_days = fields.Integer(
        string="Reservation Period",
        help="For how many days a reservation can be captured, as agreed with Vipps MobilePay."
             " Leave 0 for the usual 180 days in Norway, and 14 days in Denmark and Finland.",
        tracking=True,
    )
    vipps_deadline_warning_days = fields.Integer(
        string="Warn Before the Deadline",
        help="How many days before the last day of capture of a reservation, and before the end of"
             " its guarantee, an activity is created.",
        default=3,
        tracking=True,
    )

    #=== COMPUTE METHODS ===#

    @api.depends('code', 'vipps_capture_mode')
    def _compute_capture_manually(self):
        """ Derive the field of `payment` from the capture mode. """
        for provider in self:
            if provider.code == 'vipps':
                provider.capture_manually = provider.vipps_capture_mode != 'automatic'
            else:
                provider.capture_manually = provider.capture_manually

    def _compute_feature_support_fields(self):
        """ Override of `payment` to enable additional features. """
        super()._compute_feature_support_fields()
        self.filtered(lambda p: p.code == 'vipps').update({
            'support_manual_capture': 'partial',
            'support_refund': 'partial',
        })

    #=== CONSTRAINT METHODS ===#

    @api.constrains('vipps_reservation_days', 'vipps_deadline_warning_days')
    def _check_vipps_days(self):
        """ Ensure that the periods are possible ones. """
        for provider in self:
            if not 0 <= provider.vipps_reservation_days <= MAX_RESERVATION_DAYS:
                raise ValidationError(_(
                    "The reservation period is between 0 and %s days.", MAX_RESERVATION_DAYS
                ))
            if not 0 <= provider.vipps_deadline_warning_days <= MAX_RESERVATION_DAYS:
                raise ValidationError(_(
                    "The warning comes between 0 and %s days before the deadline.",
                    MAX_RESERVATION_DAYS,
                ))

    #=== BUSINESS METHODS ===#

    def _vipps_get_reservation_days(self, currency):
        """ Return the number of days in which a reservation can be captured. """
        market = const.CURRENCY_MARKETS.get(currency.name, 'FI')
        return self.vipps_reservation_days or const.MARKET_RESERVATION_DAYS[market]
