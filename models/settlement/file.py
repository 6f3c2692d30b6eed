# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import base64
import io
import logging
import os
from itertools import islice

from psycopg2 import OperationalError

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import NO_ACCESS
from odoo.tools import format_date

from ...trust import check_access
from ..jobs.own_transaction import DONE, NOTHING_LEFT, call_apart
from .entry import FUNDS

_logger = logging.getLogger(__name__)

# As many entries are stored in one database transaction.
READING_LIMIT = 500


class VippsSettlementFile(models.Model):
    """ The entries of one sales unit in a file from the portal of Vipps MobilePay, on their way to
    its ledger. They have no data of customers, and are kept until they are read. """
    _name = 'vipps.settlement.file'
    _description = "Vipps MobilePay Settlement File"
    _order = 'id desc'

    name = fields.Char(string="File", required=True, readonly=True)
    ledger_id = fields.Many2one(
        string="Ledger", comodel_name='vipps.settlement.ledger', readonly=True, ondelete='cascade',
        index=True,
    )
    company_id = fields.Many2one(
        string="Company", comodel_name='res.company', required=True, readonly=True,
    )
    msn = fields.Char(string="Sales Unit", readonly=True)
    unit_name = fields.Char(string="Name of the Sales Unit", readonly=True)
    first_date = fields.Date(string="From", readonly=True)
    last_date = fields.Date(string="To", readonly=True)
    state = fields.Selection(
        string="Status",
        selection=[
            ('waiting', "To read"), ('failed', "Not read"), ('done', "Read"),
            ('skipped', "Left out"),
        ],
        default='waiting',
        required=True,
        readonly=True,
        index=True,
    )
    reason = fields.Char(string="What to Do", readonly=True)
    content = fields.Binary(attachment=True, readonly=True, groups=NO_ACCESS)
    # The place in the content to go on at, in bytes.
    position = fields.Integer(readonly=True, group_operator=None)
    row_count = fields.Integer(string="Rows", readonly=True)
    new_count = fields.Integer(string="New", readonly=True)
    known_count = fields.Integer(
        string="Known", help="They were fetched, or imported, before.", readonly=True,
    )
    early_count = fields.Integer(
        string="Before the First Day",
        help="Entries before the first day of the ledger are not stored.",
        readonly=True,
    )
    result = fields.Char(string="Result", compute='_compute_result')

    #=== COMPUTE METHODS ===#

    @api.depends('state', 'reason', 'new_count', 'known_count', 'early_count', 'ledger_id')
    @api.depends_context('lang')
    def _compute_result(self):
        for file in self:
            file.result = file._describe()

    def _describe(self):
        """ Return what has become of the file, and what to do, in sentences. """
        if self.state in ('skipped', 'failed'):
            return self.reason
        ledger = self.ledger_id
        if self.state == 'waiting' and not ledger._is_set_up():
            return _(
                "%s is not set up yet. Open it, choose its journal, accounts and first day, and the"
                " file is read.", ledger.display_name,
            )
        if self.state == 'waiting':
            return _(
                "%(count)s of %(total)s rows are read. Odoo reads the others within a few minutes.",
                count=self._count_read(), total=self.row_count,
            )
        sentences = [_(
            "%(new)s entries are new, and %(known)s were known before.",
            new=self.new_count, known=self.known_count,
        )]
        if self.early_count:
            sentences.append(_(
                "%(count)s are left out, because they are before %(date)s, the first day of the"
                " ledger.", count=self.early_count, date=format_date(self.env, ledger.start_date),
            ))
        return " ".join(sentences)

    #=== ACTION METHODS ===#

    def action_read(self):
        """ Read the files at once, and book what is new, as the job does; also those that could
        not be read.

        :raise AccessError: If the user is no accountant.
        """
        files = self._check_bookkeeper().sudo()
        failed = files.filtered(lambda file: file.state == 'failed')
        if failed:
            call_apart(failed, 'write', {'state': 'waiting', 'reason': False})
        files.ledger_id._settle()

    def action_leave_out(self):
        """ Leave out what could not be read of the files.

        :raise AccessError: If the user is no accountant.
        """
        files = self._check_bookkeeper().sudo().filtered(lambda file: file.state == 'failed')
        for file in files:
            file.write({'state': 'skipped', 'content': False, 'reason': _(
                "%(count)s of %(total)s rows were read, and the others are left out.",
                count=file._count_read(), total=file.row_count,
            )})

    def action_open_entries(self):
        """ Open the entries of the days in the file.

        :rtype: dict
        :raise AccessError: If the user may not read the file, or entries.
        """
        file = check_access(self, 'read')
        file.ensure_one()
        action = file.ledger_id.action_open_entries()
        return {**action, 'context': {}, 'domain': [
            *action['domain'], ('topic', '=', FUNDS), ('ledger_date', '>=', file.first_date),
            ('ledger_date', '<=', file.last_date),
        ]}

    #=== BUSINESS METHODS ===#

    def _check_bookkeeper(self):
        """ Return the files, for an accountant.

        :raise AccessError: If the user is none, or may not read the files.
        """
        files = check_access(self, 'read')
        files.ledger_id._check_bookkeeper()
        return files

    #=== BUSINESS METHODS - IMPORT ===#

    @api.model
    def _import(self, name, content, companies):
        """ Take over a file: check all of it, and store the entries of each sales unit for the job.

        :param str name: The name of the file.
        :param bytes content: The file as it is exported.
        :param res.company companies: The companies of the user, that of new ledgers first.
        :return: A record for each sales unit; some may be left out, for a reason.
        :rtype: vipps.settlement.file
        :raise UserError: If nothing of it can be used. Nothing is stored then.
        """
        values_list, reasons = [], []
        for unit in self.env['vipps.api.client']._split_portal_file(content):
            ledger, reason = self._find_ledger(unit, companies)
            reasons.append(reason)
            values_list.append({
                'name': name,
                'ledger_id': ledger.id,
                'company_id': (ledger.company_id or companies[0]).id,
                'msn': unit.msn,
                'unit_name': unit.name,
                'first_date': unit.first_date,
                'last_date': unit.last_date,
                'row_count': len(unit.lines),
                'state': 'skipped' if reason else 'waiting',
                'reason': reason,
                'content': not reason and base64.b64encode(b'\n'.join(unit.lines)),
            })
        if all(reasons):
            raise UserError("\n".join(reasons))
        files = self.create(values_list)
        self.env['vipps.settlement.ledger']._wake()
        return files

    @api.model
    def _find_ledger(self, unit, companies):
        """ Return the ledger of a sales unit in a file, or the reason why there is none.

        :param portal_file.PortalUnit unit: The sales unit.
        :param res.company companies: The companies of the user.
        :rtype: tuple[vipps.settlement.ledger, str | bool]
        """
        Ledger = self.env['vipps.settlement.ledger'].with_context(active_test=False)
        name = " ".join(filter(None, [unit.msn, unit.name]))
        if len(unit.ledger_numbers) > 1:
            return Ledger, _(
                "The sales unit %s has moved to another ledger in this time. Export and import the"
                " time before, and the time after that, one by one.", name,
            )
        number = next(iter(unit.ledger_numbers), None)
        ledgers = Ledger.search([('number', '=', number)] if number else [('msn', '=', unit.msn)])
        own_ledgers = ledgers.filtered(lambda ledger: ledger.company_id in companies)
        ledger = own_ledgers.sorted(lambda ledger: ledger.company_id != companies[0])[:1]
        if len(own_ledgers) > 1 and not number:
            return Ledger, _(
                "The sales unit %s has several ledgers, and these rows do not say which is theirs."
                " Export a longer time, up to a payout.", name,
            )
        is_of_others = ledgers or (
            self._find_provider(unit.msn) and not self._find_provider(unit.msn, companies)
        )
        if not ledger and is_of_others:
            return Ledger, _(
                "The sales unit %s belongs to another company. Its rows are left out: import the"
                " file in that company, too.", name,
            )
        if not ledger and not (number and unit.msn):
            return Ledger, _(
                "Odoo does not know the sales unit %s yet, and these rows do not say which ledger"
                " is theirs. Export a longer time, up to a payout, with all columns.", name,
            )
        currencies = ledger.mapped('currency_id.name') or list(unit.currencies)[:1]
        if unit.currencies != set(currencies):
            return Ledger, _(
                "The rows of the sales unit %(name)s are in %(currencies)s, and its ledger is in"
                " %(currency)s. Import the file as the portal has exported it.",
                name=name, currencies=", ".join(sorted(unit.currencies)), currency=currencies[0],
            )
        if ledger and not ledger.active:
            return Ledger, _(
                "%s is archived. Restore it, and import the file again.", ledger.display_name
            )
        return ledger or self._create_ledger(unit, number, companies), False

    @api.model
    def _find_provider(self, msn, companies=None):
        """ Return the provider of a sales unit, of any company or of some. """
        return msn and self.env['payment.provider'].search([
            ('code', '=', 'vipps'),
            ('vipps_merchant_serial_number', '=', msn),
            *([('company_id', 'in', companies.ids)] if companies else []),
        ], limit=1) or self.env['payment.provider']

    @api.model
    def _create_ledger(self, unit, number, companies):
        """ Return a new ledger, as of a merchant whose keys do not reach it. """
        provider = self._find_provider(unit.msn, companies)
        [currency] = unit.currencies
        return self.env['vipps.settlement.ledger'].create({
            'number': number,
            'msn': unit.msn,
            'company_id': (provider.company_id or companies[0]).id,
            'currency_id': self.env['vipps.api.client']._find_currency(currency).id,
            'provider_id': provider.id,
        })

    #=== BUSINESS METHODS - READING ===#

    def _count_read(self):
        return self.new_count + self.known_count + self.early_count

    def _open_content(self):
        """ Return the content as an open file. A large one is not read as a whole each time, unless
        attachments are kept in the database. """
        attachment = self.env['ir.attachment'].search([
            ('res_model', '=', self._name), ('res_field', '=', 'content'), ('res_id', '=', self.id),
        ])
        path = attachment.store_fname and attachment._full_path(attachment.store_fname)
        return open(path, 'rb') if path and os.path.isfile(path) else io.BytesIO(attachment.raw)

    def _read_next(self):
        """ Store the next entries of the file, together with the place to go on at. """
        ledger = self.ledger_id
        with self._open_content() as content:
            content.seek(self.position)
            lines = list(islice(content, READING_LIMIT))
            position = content.tell()
        if not lines:
            raise EOFError("The content ends before its last row, or was lost.")
        values_list = self.env['vipps.api.client']._convert_portal_lines(lines, ledger.currency_id)
        in_time = [
            values for values in values_list if values['ledger_date'] >= ledger.start_date
        ]
        new = ledger._store(FUNDS, 'file', in_time)
        self.write({
            'position': position,
            'new_count': self.new_count + len(new),
            'known_count': self.known_count + len(in_time) - len(new),
            'early_count': self.early_count + len(lines) - len(in_time),
        })
        if self._count_read() == self.row_count:
            self.write({'state': 'done', 'content': False})

    def _note_failure(self):
        """ Write down that the file could not be read any further. """
        self.write({'state': 'failed', 'reason': _(
            "Odoo could not read the file %(name)s after row %(row)s; the reason is in the log of"
            " Odoo. What came before is booked. Open the file under Imported Files, and press Read"
            " Again. If it stays so, export these days from the Vipps MobilePay portal once more,"
            " import that file, and press Leave Out on this one.",
            name=self.name, row=self._count_read(),
        )})


class VippsSettlementLedger(models.Model):
    """ The files of a ledger. """
    _inherit = 'vipps.settlement.ledger'

    file_ids = fields.One2many(
        string="Files", comodel_name='vipps.settlement.file', inverse_name='ledger_id',
        readonly=True,
    )

    #=== BUSINESS METHODS - READING ===#

    def _read_files(self):
        """ Store the next entries of the files from the portal, one file after the other.

        :return: `DONE`, or `NOTHING_LEFT`.
        """
        file = self.env['vipps.settlement.file'].search([
            ('ledger_id', '=', self.id), ('state', '=', 'waiting'),
        ], order='id', limit=1)
        if not file:
            return NOTHING_LEFT
        try:
            with self.env.cr.savepoint():
                file._read_next()
        except OperationalError:
            raise  # It is done again.
        except Exception:
            # It keeps nothing from what came before it, and from other files.
            _logger.exception("Ledger %s: the file %s was not read.", self.id, file.id)
            file._note_failure()
            return DONE
        self.funds_balance = self._get_last_balance(FUNDS)
        return DONE
