# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.osv import expression
from odoo.tools import create_index

# The states of a payment that the customer approved, see `vipps_payment_state`.
APPROVED_STATES = ('AUTHORIZED', 'CAPTURED', 'CANCELLED', 'REFUNDED')


class PaymentTransaction(models.Model):
    _inherit = 'payment.transaction'

    vipps_is_deadline_near = fields.Boolean(
        string="Deadline Is Near",
        compute='_compute_vipps_is_deadline_near',
        search='_search_vipps_is_deadline_near',
        compute_sudo=True,
    )
    vipps_difference_count = fields.Integer(
        string="Differences", compute='_compute_vipps_difference_count', store=True
    )
    vipps_success_rate = fields.Float(
        string="Approved (%)",
        help="How many of the payments that came to an end were approved by their customers.",
        compute='_compute_vipps_success_rate',
        store=True,
        group_operator='avg',
    )
    vipps_approval_seconds = fields.Integer(
        string="Time to Approval (s)",
        help="How long the customer took from the start of the payment until its approval.",
        copy=False,
        readonly=True,
        group_operator='avg',
    )

    def init(self):
        """ Create indexes for the counts that are repeated, to be quick with any number of
        payments. """
        super().init()
        for name, columns, condition in (
            ('started', ['provider_id', 'create_date'], "vipps_payment_reference IS NOT NULL"),
            (
                'reservation', ['provider_id', 'vipps_capture_deadline', 'vipps_guaranteed_until'],
                "vipps_remaining_amount > 0",
            ),
            ('difference', ['provider_id'], "vipps_difference IS NOT NULL"),
        ):
            create_index(
                self.env.cr, f'payment_transaction_vipps_{name}_index', self._table, columns,
                where=condition,
            )

    #=== COMPUTE METHODS ===#

    @api.depends('vipps_capture_deadline', 'vipps_remaining_amount')
    def _compute_vipps_is_deadline_near(self):
        now = fields.Datetime.now()
        for tx in self:
            warning_period = timedelta(days=tx.provider_id.vipps_deadline_warning_days)
            tx.vipps_is_deadline_near = (
                tx.vipps_remaining_amount > 0
                and bool(tx.vipps_capture_deadline)
                and tx.vipps_capture_deadline <= now + warning_period
            )

    @api.model
    def _search_vipps_is_deadline_near(self, operator, value):
        now = fields.Datetime.now()
        providers_sudo = self.env['payment.provider'].sudo().search([('code', '=', 'vipps')])
        query = self._search(expression.OR(
            [
                ('provider_id', '=', provider.id),
                ('vipps_remaining_amount', '>', 0),
                ('vipps_capture_deadline', '<=',
                 now + timedelta(days=provider.vipps_deadline_warning_days)),
            ]
            for provider in providers_sudo
        ))
        is_near = (operator == '=') == bool(value)
        return [('id', 'in' if is_near else 'not in', query)]

    @api.depends('vipps_difference')
    def _compute_vipps_difference_count(self):
        for tx in self:
            tx.vipps_difference_count = int(bool(tx.vipps_difference))

    @api.depends('vipps_payment_state')
    def _compute_vipps_success_rate(self):
        for tx in self:
            tx.vipps_success_rate = 100 if tx.vipps_payment_state in APPROVED_STATES else 0

    #=== BUSINESS METHODS ===#

    def _vipps_keep_approval_time(self, approved):
        """ Keep how long the customer took, when the approval is first read.

        :param datetime|bool approved: When that was. Without its event, it was some time until now.
        """
        approved = approved or fields.Datetime.now()
        self.vipps_approval_seconds = max((approved - self.create_date).total_seconds(), 1)

    def _vipps_get_approval_time(self):
        """ Return the time at which the customer approved the payment, if its event came. """
        return self.env['vipps.webhook.event'].sudo().search_fetch([
            ('reference', '=', self.vipps_payment_reference), ('name', '=', 'AUTHORIZED'),
        ], ['event_time'], limit=1).event_time
