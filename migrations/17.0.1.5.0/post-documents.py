# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """ Store which payments have documents. The total at the start of earlier payments is not
    known, so they are not compared with it.

    Customers no longer read what core says of payments that were captured in parts.
    """
    cr.execute("""
        UPDATE payment_transaction tx
           SET vipps_has_document = TRUE
         WHERE vipps_payment_reference IS NOT NULL
           AND (EXISTS (SELECT FROM sale_order_transaction_rel rel
                         WHERE rel.transaction_id = tx.id)
                OR EXISTS (SELECT FROM account_invoice_transaction_rel rel
                            WHERE rel.transaction_id = tx.id))
    """)
    cr.execute("""
        UPDATE payment_transaction tx
           SET state_message = NULL
         WHERE vipps_payment_reference IS NOT NULL
           AND state = 'done'
           AND EXISTS (SELECT FROM payment_transaction child
                        WHERE child.source_transaction_id = tx.id
                          AND child.operation != 'refund')
    """)
