# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class VippsReadRequest(models.Model):
    """ Payments to look at soon, because something happened to their orders in Odoo.

    Rows are only inserted and deleted. The transaction itself cannot be written by who delivers an
    order: it is locked as long as Vipps MobilePay is asked.
    """
    _name = 'vipps.read.request'
    _description = "Vipps MobilePay Read Request"

    transaction_id = fields.Many2one(
        comodel_name='payment.transaction', required=True, readonly=True, ondelete='cascade',
        index=True,
    )

    @api.model
    def _request(self, txs):
        """ Have payments read as soon as this is committed.

        :param payment.transaction txs: The transactions that stand for them.
        :return: None
        """
        if not txs:
            return
        self.sudo().create([{'transaction_id': tx.id} for tx in txs])
        cron = self.env.ref('mobilepay_vipps.cron_read_open_payments', raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger()

    @api.model
    def _take_next(self):
        """ Return the transaction that waits for the longest time and that nobody works on.

        What is requested from now on is left for another time: nobody knows whether it is seen.

        :return: The transaction, locked, in its company; empty if there is none.
        :rtype: payment.transaction
        """
        self.env.cr.execute("""
            SELECT tx.id
              FROM vipps_read_request request
              JOIN payment_transaction tx ON tx.id = request.transaction_id
             ORDER BY request.id
             LIMIT 1
               FOR NO KEY UPDATE OF tx SKIP LOCKED
        """)
        tx = self.env['payment.transaction'].browse(row[0] for row in self.env.cr.fetchall())
        self.search([('transaction_id', 'in', tx.ids)]).unlink()
        return tx.with_company(tx.company_id)
