# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from markupsafe import Markup

from odoo import SUPERUSER_ID, api, fields, models
from odoo.fields import Command

from odoo.addons.payment import utils as payment_utils

from ...trust import clean, get_readable

# Salespersons have no access to transactions.
STAFF = {'compute_sudo': True, 'groups': 'base.group_user'}
PAYMENTS = {**STAFF, 'compute': '_compute_vipps_payments'}
AMOUNT = {**PAYMENTS, 'currency_field': 'vipps_currency_id'}


class SaleOrder(models.Model):
    """ The state of the payments of orders, and their buttons, for the staff. """
    _inherit = 'sale.order'

    vipps_status = fields.Text(string="Vipps MobilePay Status", **PAYMENTS)
    vipps_summary = fields.Html(
        string="Vipps MobilePay Summary", compute='_compute_vipps_summary', sanitize=False, **STAFF
    )
    vipps_currency_id = fields.Many2one(
        comodel_name='res.currency',
        help="The currency of the payments, if it is the same for all of them.",
        **PAYMENTS,
    )
    vipps_authorized_amount = fields.Monetary(string="Authorized", **AMOUNT)
    vipps_captured_amount = fields.Monetary(string="Captured", **AMOUNT)
    vipps_refunded_amount = fields.Monetary(string="Refunded", **AMOUNT)
    vipps_remaining_amount = fields.Monetary(string="Reserved", **AMOUNT)
    vipps_guaranteed_until = fields.Datetime(
        string="Guaranteed Until",
        help="Vipps MobilePay guarantees until then that the reserved amount can be captured."
             " After that, a capture can fail, because the bank may have released the money.",
        **PAYMENTS,
    )
    vipps_capture_deadline = fields.Datetime(
        string="Last Day of Capture",
        help="After that, the reserved amount can no longer be captured.",
        **PAYMENTS,
    )
    vipps_app_link = fields.Char(
        string="Link in the App",
        help="Where the link leads that the customer finds with the payment in the app.",
        **PAYMENTS,
    )
    vipps_timeline = fields.Html(
        string="History", compute='_compute_vipps_timeline', sanitize=False, **STAFF
    )

    #=== COMPUTE METHODS ===#

    @api.depends(
        'transaction_ids.vipps_status', 'transaction_ids.vipps_difference',
        'transaction_ids.vipps_authorized_amount', 'transaction_ids.vipps_captured_amount',
        'transaction_ids.vipps_refunded_amount', 'transaction_ids.vipps_remaining_amount',
        'transaction_ids.vipps_capture_deadline', 'transaction_ids.vipps_guaranteed_until',
        'transaction_ids.vipps_app_link',
    )
    @api.depends_context('lang', 'tz')
    def _compute_vipps_payments(self):
        app_links = dict(self.transaction_ids._fields['vipps_app_link']._description_selection(
            self.env
        ))
        for order in self:
            txs = get_readable(order)._vipps_get_payments()
            order.vipps_status = "\n".join(
                f"{tx.reference}: {tx._vipps_get_summary()}" for tx in txs
            )
            # Amounts in several currencies have no sum.
            currency = txs.currency_id if len(txs.currency_id) == 1 else txs.currency_id.browse()
            order.vipps_currency_id = currency
            for name in (
                'vipps_authorized_amount', 'vipps_captured_amount', 'vipps_refunded_amount',
                'vipps_remaining_amount',
            ):
                order[name] = sum(txs.mapped(name)) if currency else 0
            reserved_txs = txs.filtered(lambda t: t.vipps_remaining_amount > 0)
            for name in ('vipps_capture_deadline', 'vipps_guaranteed_until'):
                order[name] = min(filter(None, reserved_txs.mapped(name)), default=False)
            order.vipps_app_link = app_links.get(
                txs.filtered('vipps_app_link')[:1].vipps_app_link, False
            )

    @api.depends('transaction_ids.vipps_status', 'transaction_ids.vipps_difference')
    @api.depends_context('lang', 'tz')
    def _compute_vipps_summary(self):
        for order in self:
            order.vipps_summary = Markup().join(
                Markup('<div>%s: %s</div>') % (
                    self._vipps_make_link(tx), tx._vipps_get_summary(),
                )
                for tx in get_readable(order)._vipps_get_payments()
            )

    @api.depends('transaction_ids.vipps_timeline')
    @api.depends_context('lang', 'tz')
    def _compute_vipps_timeline(self):
        for order in self:
            order.vipps_timeline = Markup().join(
                Markup('<h6>%s</h6>%s') % (self._vipps_make_link(tx), tx.vipps_timeline)
                for tx in get_readable(order)._vipps_get_payments() if tx.vipps_event_log
            )

    #=== ACTION METHODS ===#

    def action_vipps_update(self):
        """ Read the payments of the order at Vipps MobilePay, and report the changes.

        :return: A notification, after which the view is reloaded.
        :rtype: dict
        :raise UserError: If they cannot be read.
        """
        payment_utils.check_rights_on_recordset(self)
        # Salespersons cannot access transactions, and the user that looks did not make the changes.
        orders = clean(self).with_user(SUPERUSER_ID)
        return orders._vipps_get_payments()._vipps_update()

    #=== BUSINESS METHODS ===#

    def _prepare_invoice(self):
        """ Override of `sale` to link the payments of a branch to its parent, too. """
        values = super()._prepare_invoice()
        if not self._vipps_filter_paid():
            return values
        self.invalidate_recordset(['transaction_ids'])  # Staff of a branch cannot read them.
        values['transaction_ids'] += [
            Command.link(tx_sudo.id) for tx_sudo in self._vipps_get_linked_sudo()
        ]
        return values

    def _vipps_make_link(self, tx):
        """ Return the reference of a transaction, as a link for users who may read it. """
        if not tx.sudo(False).check_access_rights('read', raise_exception=False):
            return tx.reference
        return Markup('<a href="/web#id=%s&amp;model=%s&amp;view_type=form">%s</a>') % (
            tx.id, tx._name, tx.reference,
        )

    def _vipps_get_payments(self):
        """ Return the transactions that stand for payments of the orders, newest first. """
        return self.transaction_ids.filtered('vipps_payment_reference')
