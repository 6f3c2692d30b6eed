# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from contextlib import contextmanager

from psycopg2.errors import LockNotAvailable, SerializationFailure

from odoo import models
from odoo.tools import SQL

from ...patience import WAITING_SECONDS, Patience
from ..api.client import VippsError
from ..jobs.serialize import serialize


class PaymentTransaction(models.Model):
    """ Locks: the documents of a payment first, then the payment; people wait for a short time. """
    _inherit = 'payment.transaction'

    #=== BUSINESS METHODS - LOCKS ===#

    def _vipps_lock(self, wait=True):
        """ Lock the documents and then the transaction until the end of the database transaction.

        Once the payment is approved, the documents are left to others: how much is to be paid of
        them was decided then, and nobody in a warehouse shall wait for an answer of the API.

        A change by others in the meantime ends in a serialization failure, after which Odoo repeats
        the whole request.

        :param bool|float wait: Whether to wait for others who hold a lock, or for how many seconds.
        :return: Whether everything is locked.
        """
        if not isinstance(wait, bool):
            # Mostly, nobody else works on it. Several documents are waited for in their order.
            if len(self.sale_order_ids) + len(self.invoice_ids) < 2 and self._vipps_lock(False):
                return True
            patience = self.env['vipps.api.client']._get_patience()
            try:  # A person waits for locks and for reads together.
                with self._vipps_waiting(patience.get_seconds() if patience else wait):
                    return self._vipps_lock()
            except LockNotAvailable:
                return False
        self.flush_recordset()
        option = SQL() if wait else SQL("SKIP LOCKED")
        return self._vipps_lock_documents(option) and self._vipps_lock_rows(self, option)

    def _vipps_try_lock(self):
        """ Lock as :meth:`_vipps_lock` does, unless others work on the transaction or its documents
        or have changed them since this database transaction began. Then Odoo would wait for up to
        two seconds before it repeats the request of a till or a page that asks again anyway.

        :return: Whether everything is locked.
        """
        try:
            with self.env.cr.savepoint():
                return self._vipps_lock(wait=False)
        except SerializationFailure:
            return False

    @contextmanager
    def _vipps_waiting(self, seconds):
        """ Wait no longer than some seconds for each lock.

        :param float seconds: The seconds.
        :raise LockNotAvailable: If others hold one for longer.
        """
        with self.env.cr.savepoint():
            milliseconds = max(int(seconds * 1000), 1)  # 0 would be without an end.
            self.env.cr.execute("SET LOCAL lock_timeout = %s", [milliseconds])
            yield
            self.env.cr.execute("SET LOCAL lock_timeout TO DEFAULT")

    def _vipps_lock_alone(self, wait=True):
        """ Lock the transaction when nobody works on it or on its documents, and leave those to
        others all the same.

        A process that locks the transaction before the documents never waits for these.

        :return: Whether the transaction is locked.
        """
        is_shared = self.state not in ('authorized', 'done') and (
            self.sale_order_ids or self.invoice_ids
        )
        return (not is_shared or self._vipps_is_free(wait)) and self._vipps_lock_rows(
            self, SQL() if wait else SQL("SKIP LOCKED")
        )

    def _vipps_is_free(self, wait=False):
        """ Return whether nobody works on the transaction or on its documents.

        :param bool|float wait: For how many seconds to wait for others who hold a lock.
        :raise SerializationFailure: If others have changed them since this database transaction
                                     began.
        """
        self.env.cr.flush()
        # Nothing is written: all that was read stays as true as it was.
        with self.env.cr.savepoint(flush=False) as savepoint:
            # Of a row that is wide, the job that claims a task needs the state alone.
            is_free = self.with_context(prefetch_fields=False)._vipps_lock(wait=wait)
            savepoint.rollback()  # That also unlocks the later locks.
        return is_free

    def _vipps_lock_documents(self, option):
        """ Lock the documents of a payment that is not approved.

        :return: Whether they are locked.
        """
        return self.state in ('authorized', 'done') or all(
            self._vipps_lock_rows(documents, option)
            for documents in (self.sale_order_ids, self.invoice_ids)
        )

    def _vipps_lock_rows(self, records, option):
        if not records:
            return True
        self.env.cr.execute(SQL(
            "SELECT id FROM %s WHERE id IN %s ORDER BY id FOR NO KEY UPDATE %s",
            SQL.identifier(records._table), tuple(records.ids), option,
        ), log_exceptions=False)  # Collisions are expected.
        return self.env.cr.rowcount == len(records)

    def _vipps_lock_for_personal_data(self):
        """ Lock the transaction before personal data are written to it: Odoo would log an update
        that collides with others, with all values.

        :raise SerializationFailure: If others have changed it since this database transaction
                                     began.
        """
        self._vipps_lock_rows(self, SQL())

    def _vipps_lock_for_person(self):
        """ Lock the payment and its documents as :meth:`_vipps_lock` does, for a person who does
        not wait for long.

        :raise VippsError: If others work on it for longer.
        """
        if not self._vipps_lock(wait=WAITING_SECONDS):
            raise VippsError(self.env['vipps.api.client']._get_sentence('6160'))

    def _vipps_touch_documents(self):
        """ Let everybody who waits for the documents of the transaction start anew.

        A lock alone does not show rows that were inserted while one waited for it.
        """
        serialize(self.sale_order_ids)
        serialize(self.invoice_ids)

    #=== BUSINESS METHODS - PATIENCE ===#

    def _vipps_with_patience(self, is_polling=False):
        """ Return the transactions for a person who waits until they are read.

        :param bool is_polling: Whether the page or the till asks again without being told to.
        """
        if self.env['vipps.api.client']._get_patience():
            return self  # It is one request, and one person.
        return self.with_context(vipps_patience=Patience(is_polling))

    def _vipps_may_ask(self):
        """ Return whether a person who waits may have the payment read now.

        Otherwise not even its row is locked.
        """
        return self.provider_id._vipps_may_ask(self.env['vipps.api.client']._get_patience())
