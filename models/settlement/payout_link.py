# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import _, fields, models
from odoo.exceptions import UserError

from ...trust import check_access, get_readable

# Accountants see settlements, and so do auditors.
READERS = 'account.group_account_invoice,account.group_account_readonly'
SHOWN = {'compute_sudo': True, 'groups': READERS}
AMOUNT = {**SHOWN, 'compute': '_compute_vipps_settled', 'currency_field': 'currency_id'}


class VippsSettled(models.AbstractModel):
    """ Documents that lead to the payouts of their payments. """
    _name = 'vipps.settled'
    _description = "Settled by Vipps MobilePay"

    vipps_payout_count = fields.Integer(
        string="Payouts", compute='_compute_vipps_payout_count', **SHOWN,
    )

    #=== COMPUTE METHODS ===#

    def _compute_vipps_payout_count(self):
        for record in self:
            record.vipps_payout_count = len(get_readable(record)._vipps_find_payouts())

    #=== ACTION METHODS ===#

    def action_vipps_open_payouts(self):
        """ Open the payout of the payments, or the list of them.

        :rtype: dict
        :raise AccessError: If the user may not read the records, or payouts.
        :raise UserError: If nothing is paid out yet.
        """
        records = check_access(self, 'read')
        payouts = records.sudo()._vipps_find_payouts().sudo(False)
        payouts.check_access_rights('read')
        if not payouts:
            raise UserError(_("Vipps MobilePay has not paid this out yet."))
        action = self.env['ir.actions.act_window']._for_xml_id(
            'mobilepay_vipps.action_vipps_settlement_payout'
        )
        if len(payouts) == 1:
            return {**action, 'views': [(False, 'form')], 'res_id': payouts.id, 'context': {}}
        return {**action, 'domain': [('id', 'in', payouts.ids)], 'context': {}}

    #=== BUSINESS METHODS ===#

    def _vipps_find_payouts(self):
        """ Return the payouts of the payments, in sudo mode. """
        payouts_sudo = self.env['vipps.settlement.payout'].sudo()
        domain = self._vipps_get_settled_domain()
        if not domain:
            return payouts_sudo
        return payouts_sudo.union(*(
            payout for payout, in self.env['vipps.settlement.entry'].sudo()._read_group(
                [*domain, ('payout_id', '!=', False)], ['payout_id'],
            )
        ))

    def _vipps_get_settled_domain(self):
        """ Hook: return the domain of the entries of the payments; None if none are ours, so that
        nothing is looked up. """
        return None


class AccountPayment(models.Model):
    """ Payments in the books: when they were settled, and with what fee. """
    _name = 'account.payment'
    _inherit = ['account.payment', 'vipps.settled']

    vipps_settled_on = fields.Date(
        string="Settled On",
        help="The day that Vipps MobilePay counts the payment for.",
        compute='_compute_vipps_settled',
        **SHOWN,
    )
    vipps_fee_amount = fields.Monetary(
        string="Vipps MobilePay Fee", help="The fee of the payment. It is negative.", **AMOUNT,
    )
    vipps_net_amount = fields.Monetary(
        string="Vipps MobilePay Net", help="The amount without the fee of the payment.", **AMOUNT,
    )

    #=== COMPUTE METHODS ===#

    def _compute_vipps_settled(self):
        for payment in self:
            domain = get_readable(payment)._vipps_get_settled_domain()
            [(day, fee_amount, net_amount)] = self.env['vipps.settlement.entry']._read_group(
                domain, [], ['ledger_date:max', 'fee_amount:sum', 'net_amount:sum'],
            ) if domain else [(False, 0.0, 0.0)]
            payment.vipps_settled_on = day
            payment.vipps_fee_amount = fee_amount
            payment.vipps_net_amount = net_amount

    #=== BUSINESS METHODS ===#

    def _vipps_get_settled_domain(self):
        """ Hook: return the domain of the entries of these payments; None if none are ours. """
        ours = self.filtered(lambda p: p.payment_transaction_id.provider_code == 'vipps')
        return [('payment_id', 'in', ours.ids)] if ours else None


class PaymentTransaction(models.Model):
    """ Transactions, whose captures and refunds are settled singly. """
    _name = 'payment.transaction'
    _inherit = ['payment.transaction', 'vipps.settled']

    #=== BUSINESS METHODS ===#

    def _vipps_get_settled_domain(self):
        """ Hook: return the domain of the entries of these payments; None if none are ours. """
        roots = self.filtered(lambda tx: tx.provider_code == 'vipps').mapped(
            lambda tx: tx._vipps_get_root()
        )
        txs = roots | roots.vipps_operation_ids
        return [('transaction_id', 'in', txs.ids)] if txs else None


class SaleOrder(models.Model):
    """ Orders that were paid with Vipps MobilePay. """
    _name = 'sale.order'
    _inherit = ['sale.order', 'vipps.settled']

    #=== BUSINESS METHODS ===#

    def _vipps_get_settled_domain(self):
        """ Hook: return the domain of the entries of their payments; None if none are ours. """
        return self.transaction_ids._vipps_get_settled_domain()
