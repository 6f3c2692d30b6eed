# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

""" Find the orders of attempts at tills, which earlier versions knew by their number alone. """


def migrate(cr, version):
    cr.execute("""
        UPDATE payment_transaction tx
           SET vipps_pos_order_id = pos_order.id, vipps_pos_order_total = pos_order.amount_total
          FROM pos_payment
          JOIN pos_order ON pos_order.id = pos_payment.pos_order_id
         WHERE pos_payment.vipps_transaction_id = tx.id AND tx.vipps_pos_order_id IS NULL
    """)
    # Where two orders have the number, nobody knows which one it was.
    cr.execute("""
        WITH found AS (
            SELECT tx.id AS tx_id, min(pos_order.id) AS order_id
              FROM payment_transaction tx
              JOIN pos_order ON pos_order.pos_reference = tx.vipps_pos_reference
               AND pos_order.company_id = tx.company_id
               AND (pos_order.amount_total < 0) = (tx.operation = 'refund')
             WHERE tx.vipps_pos_uuid IS NOT NULL AND tx.vipps_pos_order_id IS NULL
             GROUP BY tx.id
            HAVING count(*) = 1
        )
        UPDATE payment_transaction tx
           SET vipps_pos_order_id = pos_order.id, vipps_pos_order_total = pos_order.amount_total
          FROM found
          JOIN pos_order ON pos_order.id = found.order_id
         WHERE tx.id = found.tx_id
    """)
