# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class MailActivity(models.Model):
    _inherit = 'mail.activity'

    # What the activity is about, in a word that is the same in all languages: each problem has one
    # activity, which is found again when it is over.
    vipps_problem = fields.Char(copy=False, readonly=True, index='btree_not_null')
