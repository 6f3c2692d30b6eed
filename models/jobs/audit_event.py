# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import contextlib
import logging
from datetime import timedelta

from psycopg2 import sql

from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ...source import Source
from ...step_log import log_step
from ...trust import keep_trusted
from .own_transaction import call_apart

_logger = logging.getLogger(__name__)

# A request that meets a collision is repeated by Odoo several times within this time.
REPETITION_PERIOD = timedelta(minutes=1)

# As many rows are removed in one database transaction.
PURGE_LIMIT = 10000

# How long a row that is recorded apart waits for a lock; it is tried a few times.
LOCK_TIMEOUT = '5s'

# No context that comes from a browser can have this.
PERMIT = object()

# PostgreSQL lets nobody change or remove rows, except where this is set, for the
# database transaction: for the retention and erasure of personal data.
PROTECTION = """
    CREATE OR REPLACE FUNCTION vipps_audit_event_protect() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF current_setting('mobilepay_vipps.audit_removal', true) = 'on' THEN
                RETURN OLD;
            END IF;
        ELSIF TG_OP = 'UPDATE' THEN
            IF current_setting('mobilepay_vipps.audit_removal', true) = 'on'
               AND to_jsonb(NEW) - '{{partner_id,write_uid,write_date}}'::text[]
                   = to_jsonb(OLD) - '{{partner_id,write_uid,write_date}}'::text[]
            THEN
                RETURN NEW;
            END IF;
            -- The record that a row points to was removed.
            IF to_jsonb(NEW) - '{{{columns}}}'::text[] = to_jsonb(OLD) - '{{{columns}}}'::text[]
               AND {references}
            THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'The audit trail of Vipps MobilePay only grows.';
    END
    $$;
    DROP TRIGGER IF EXISTS vipps_audit_event_protect ON vipps_audit_event;
    CREATE TRIGGER vipps_audit_event_protect
        BEFORE UPDATE OR DELETE ON vipps_audit_event
        FOR EACH ROW EXECUTE FUNCTION vipps_audit_event_protect();
    DROP TRIGGER IF EXISTS vipps_audit_event_protect_all ON vipps_audit_event;
    CREATE TRIGGER vipps_audit_event_protect_all
        BEFORE TRUNCATE ON vipps_audit_event
        FOR EACH STATEMENT EXECUTE FUNCTION vipps_audit_event_protect()
"""

# Insert a row, unless the newest one of the payment says the same. Records that a request has just
# created are not seen in another database transaction.
INSERT_ONCE = """
    SET LOCAL lock_timeout = %(lock_timeout)s;
    INSERT INTO vipps_audit_event (provider_id, transaction_id, %(columns)s)
    SELECT (SELECT id FROM payment_provider WHERE id = %(provider_id)s),
           (SELECT id FROM payment_transaction WHERE id = %(tx_id)s),
           %(values)s
     WHERE NOT EXISTS (
        SELECT FROM (
            SELECT * FROM vipps_audit_event WHERE reference = %(reference)s ORDER BY id DESC LIMIT 1
        ) newest
         WHERE create_date >= %(since)s
           AND (action, outcome, source) = (%(action)s, %(outcome)s, %(source)s)
           AND coalesce(amount, 0) = %(amount)s
           AND user_id IS NOT DISTINCT FROM %(user_id)s
           AND details IS NOT DISTINCT FROM %(details)s
     )
"""

STATES = [
    ('draft', "Draft"),
    ('pending', "Pending"),
    ('authorized', "Authorized"),
    ('done', "Confirmed"),
    ('cancel', "Canceled"),
    ('error', "Error"),
]


class VippsAuditEvent(models.Model):
    """ The audit trail: each action on payments, keys and personal data, with its author and its
    outcome.

    Rows are only added. They outlive the records of people: names are copied.
    """
    _name = 'vipps.audit.event'
    _description = "Vipps MobilePay Audit Event"
    _order = 'id desc'
    _rec_name = 'reference'

    action = fields.Selection(
        string="Action",
        selection=[
            ('configured', "Settings changed"),
            ('keys_rotated', "Keys rotated"),
            ('started', "Payment started"),
            ('state_changed', "State changed"),
            ('capture', "Capture"),
            ('release', "Release"),
            ('refund', "Refund"),
            ('replayed', "Event replayed"),
            ('dismissed', "Event marked as done"),
            ('webhook_registered', "Webhook registered"),
            ('data_read', "Personal data read"),
            ('data_exported', "Personal data exported"),
            ('data_copied', "Personal data copied to the contact"),
            ('data_erased', "Personal data erased"),
            ('paused', "Provider paused"),
            ('resumed', "Provider resumed"),
            ('limited', "Requests limited"),
            ('retention', "Old data removed"),
            ('fetched', "Settlements fetched"),
            ('day_checked', "Day of settlements checked"),
            ('gap_booked', "Difference booked"),
            ('entry_done', "Settlement entry marked as done"),
            ('requested', "Payment requested"),
            ('consent_given', "Agreement to push messages recorded"),
            ('consent_withdrawn', "Agreement to push messages withdrawn"),
        ],
        required=True,
        readonly=True,
    )
    outcome = fields.Selection(
        string="Outcome",
        help="Asked for: the result follows. If none does, Odoo was stopped in the middle.\n"
             "Unknown: it may have taken effect. Odoo reads the payment again automatically.",
        selection=[
            ('asked', "Asked for"),
            ('done', "Done"),
            ('refused', "Refused"),
            ('unknown', "Unknown"),
        ],
        default='done',
        required=True,
        readonly=True,
    )
    source = fields.Selection(
        string="Source",
        help="What caused it: an event that Vipps MobilePay sent, a customer who came back from the"
             " app, one who waits on the page after that, a job of Odoo, a user, a till, or a"
             " customer who starts to pay.",
        selection=[
            ('webhook', "Event"),
            ('return', "Return"),
            ('poll', "Waiting page"),
            ('job', "Job"),
            ('user', "User"),
            ('till', "Till"),
            ('customer', "Customer"),
        ],
        required=True,
        readonly=True,
    )
    user_id = fields.Many2one(
        string="User", comodel_name='res.users', readonly=True, ondelete='set null',
    )
    user_name = fields.Char(
        string="By",
        help="The name that the user had then. Customers are not named here.",
        readonly=True,
    )
    company_id = fields.Many2one(
        string="Company", comodel_name='res.company', readonly=True, ondelete='set null',
    )
    provider_id = fields.Many2one(
        string="Provider", comodel_name='payment.provider', readonly=True, ondelete='set null',
    )
    transaction_id = fields.Many2one(
        string="Transaction", comodel_name='payment.transaction', readonly=True,
        ondelete='set null', index='btree_not_null',
    )
    partner_id = fields.Many2one(
        string="Contact",
        help="Whose personal data was read, exported, copied or erased.",
        comodel_name='res.partner',
        readonly=True,
        ondelete='set null',
        index='btree_not_null',
    )
    reference = fields.Char(
        string="Reference",
        help="The reference of the payment, or the name of the provider.",
        readonly=True,
        index=True,
    )
    from_state = fields.Selection(string="From State", selection=STATES, readonly=True)
    to_state = fields.Selection(string="To State", selection=STATES, readonly=True)
    amount = fields.Monetary(string="Amount", readonly=True)
    currency_id = fields.Many2one(
        string="Currency", comodel_name='res.currency', readonly=True, ondelete='set null',
    )
    psp_reference = fields.Char(string="PSP Reference", readonly=True)
    # Of an operation; with its transaction, it identifies an operation whose request was rolled
    # back.
    idempotency_key = fields.Char(string="Vipps Idempotency Key", readonly=True)
    # How often Vipps MobilePay has refused the same operation by then.
    refusals = fields.Integer(string="Vipps Refusal Count", readonly=True, group_operator=None)
    trace_id = fields.Char(
        string="Trace ID",
        help="What Vipps MobilePay finds the request by.",
        readonly=True,
    )
    details = fields.Char(string="Details", readonly=True)

    #=== INITIALIZATION ===#

    def init(self):
        """ Override to have PostgreSQL protect the table, also from SQL outside of the ORM. An
        update that fills a new column has to drop the triggers first; they are made again here. """
        references = {
            field.name: self.env[field.comodel_name]._table
            for field in self._fields.values() if field.type == 'many2one' and field.store
        }
        condition = sql.SQL(
            '(NEW.{column} IS NOT DISTINCT FROM OLD.{column} OR NEW.{column} IS NULL'
            ' AND NOT EXISTS (SELECT FROM {table} WHERE id = OLD.{column}))'
        )
        self.env.cr.execute(sql.SQL(PROTECTION).format(
            columns=sql.SQL(',').join(map(sql.SQL, references)),
            references=sql.SQL(' AND ').join(
                condition.format(column=sql.Identifier(column), table=sql.Identifier(table))
                for column, table in references.items()
            ),
        ))

    @api.model
    def _vipps_remove_protection(self):
        """ Drop the function that would outlive the table. """
        self.env.cr.execute("DROP FUNCTION IF EXISTS vipps_audit_event_protect() CASCADE")

    @api.model
    @contextlib.contextmanager
    def _vipps_permit_removal(self):
        """ Let PostgreSQL remove rows, or forget or replace their contacts. """
        with self.env.cr.savepoint():  # An error takes the setting back, too.
            self.env.cr.execute("SET LOCAL mobilepay_vipps.audit_removal = 'on'")
            yield
            self.flush_model()
            self.env.cr.execute("SET LOCAL mobilepay_vipps.audit_removal = 'off'")

    #=== CRUD METHODS ===#

    @api.model_create_multi
    def create(self, values_list):
        """ Override to let nobody make up events, not even the system.

        :raise AccessError: Unless it is the audit trail itself.
        """
        self._check_permit()
        return super().create(values_list)

    def write(self, values):
        """ Override to let nobody change events, not even the system.

        :raise AccessError: Unless it is the audit trail itself.
        """
        self._check_permit()
        return super().write(values)

    def unlink(self):
        """ Override to let nobody hide events, not even the system.

        :raise AccessError: Unless it is the audit trail itself.
        """
        self._check_permit()
        return super().unlink()

    def _check_permit(self):
        if self.env.context.get('vipps_audit_permit') is not PERMIT:
            raise AccessError(_(
                "Only Odoo itself writes the audit trail of Vipps MobilePay. Nobody can add to it,"
                " change it or delete from it."
            ))

    def _permitted(self):
        return self.sudo().with_context(vipps_audit_permit=PERMIT)

    #=== BUSINESS METHODS - RECORDING ===#

    @api.model
    def _record(
        self, action, provider=None, tx=None, step=None, started=None, error=None, log=None,
        is_apart=False, is_to_sync=False, **values
    ):
        """ Record an action in the audit trail, and in the log.

        :param str action: The action, one of the values of the field.
        :param payment.provider provider: The provider, if there is no transaction.
        :param payment.transaction tx: The transaction.
        :param str step: The step of the log; none is logged without.
        :param float started: When the step was started, as `time.monotonic` says.
        :param VippsError error: The error of Vipps MobilePay, if there is one.
        :param dict log: Other pairs of the log.
        :param bool is_apart: Whether it is recorded in a database transaction of its own, because
                              it stays true when the request is rolled back: it has an effect
                              outside of Odoo.
        :param bool is_to_sync: Whether the payment is read in any case, together with `is_apart`.
        :param values: Other values of the record; amounts in major units.
        :return: None
        """
        if error:
            values.update(outcome=error.outcome, details=str(error), trace_id=error.trace_id)
        values = self._prepare_values(action, provider, tx, values)
        if step:
            log_step(
                _logger, step, tx, provider, outcome=values['outcome'], started=started,
                error=error and error.log_text,
                **{'reference': tx and values['reference'], 'amount': values.get('amount')},
                **(log or {}),
            )
        if is_apart:
            self._insert_apart(values, is_to_sync)
        else:
            self._permitted().create(values)

    @api.model
    def _insert_apart(self, values, is_to_sync):
        """ Insert a row in a database transaction of its own. If that fails, an action that was
        only asked for is not done. """
        trusted = self.with_env(self.env(context=keep_trusted(self.env.context)))
        try:
            call_apart(trusted, '_insert_once', values, is_to_sync)
        except Exception:
            if values['outcome'] == 'asked':
                raise
            # It would take the place of the error that the user is to read.
            _logger.exception("The outcome for %s is not recorded.", values['reference'])

    @api.model
    def _prepare_values(self, action, provider, tx, values):
        tx = (tx or self.env['payment.transaction']).sudo()
        provider = tx.provider_id or (provider or self.env['payment.provider']).sudo()
        user = self.env.user
        is_staff = user._is_internal()
        if 'amount' in values and tx:
            values = {**values, 'amount': tx.currency_id.round(values['amount'] or 0)}
        return {
            'action': action,
            'outcome': 'done',
            'source': self._get_source(),
            # The payment knows its customer, whose name is removed there.
            'user_id': is_staff and user.id,
            'user_name': is_staff and user.name,
            'company_id': provider.company_id.id or self.env.company.id,
            'provider_id': provider.id,
            'transaction_id': tx.id,
            'reference': tx.reference or provider.name,
            'currency_id': tx.currency_id.id,
            'psp_reference': tx.vipps_psp_reference or tx.provider_reference,
            **values,
        }

    @api.model
    def _get_source(self):
        """ Return the source of the present action, see :class:`Source`. """
        source = self.env.context.get('vipps_source')
        if isinstance(source, Source):
            return str(source)
        if self.env.uid == SUPERUSER_ID:
            return 'job'
        return 'user' if self.env.user._is_internal() else 'customer'

    @api.model
    def _insert_once(self, values, is_to_sync):
        """ Insert a row, unless the newest one of the payment says the same: after a collision,
        Odoo repeats the whole request. """
        if is_to_sync:
            tx = self.env['payment.transaction'].browse(values['transaction_id']).exists()
            self.env['vipps.task']._schedule(tx._vipps_get_root(), 'verify')
        now = fields.Datetime.now()
        row = {
            name: None if value is False else value for name, value in values.items()
            if name not in ('provider_id', 'transaction_id')
        }
        row.update(create_uid=self.env.uid, create_date=now, write_uid=self.env.uid, write_date=now)
        self.env.cr.execute(SQL(
            INSERT_ONCE,
            # The request holds locks. If a change of the table waits for them, as in an update of
            # Odoo, and this for the change, PostgreSQL sees no deadlock: the request starts anew.
            lock_timeout=LOCK_TIMEOUT,
            columns=SQL(", ").join(map(SQL.identifier, row)),
            values=SQL(", ").join(SQL("%s", value) for value in row.values()),
            provider_id=values['provider_id'] or None, tx_id=values['transaction_id'] or None,
            since=now - REPETITION_PERIOD, amount=row.get('amount') or 0,
            details=row.get('details'),
            **{name: row[name] for name in ('reference', 'action', 'outcome', 'source', 'user_id')},
        ), log_exceptions=False)  # Collisions are expected.

    #=== BUSINESS METHODS - RETENTION AND ERASURE ===#

    @api.model
    def _vipps_purge(self, provider, before):
        """ Delete the rows of a provider before a point in time, and those of its company that no
        longer belong to any provider.

        :param payment.provider provider: The provider.
        :param datetime before: The point in time.
        :return: The number of rows; at most :data:`PURGE_LIMIT`.
        :rtype: int
        """
        self.flush_model()
        with self._vipps_permit_removal():
            self.env.cr.execute("""
                DELETE FROM vipps_audit_event
                 WHERE id IN (
                    SELECT id
                      FROM vipps_audit_event
                     WHERE create_date < %s
                       AND (provider_id = %s OR provider_id IS NULL AND company_id = %s)
                     LIMIT %s
                 )
            """, [before, provider.id, provider.sudo().company_id.id, PURGE_LIMIT])
            count = self.env.cr.rowcount
        self.invalidate_model()
        return count

    @api.model
    def _vipps_forget(self, partner):
        """ Blank the contacts of customers, in the companies that the user works in.

        :param res.partner partner: The contacts of the customers.
        :return: None
        """
        events = self.sudo().search([
            ('partner_id', 'in', partner.ids), ('company_id', 'in', self.env.companies.ids),
        ])
        with self._vipps_permit_removal():
            events._permitted().write({'partner_id': False})
