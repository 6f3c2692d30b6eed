# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class MailActivity(models.Model):
    """ What people have to do about problems: one activity for each, until the problem is over. """
    _inherit = 'mail.activity'

    # The key of the problem, see `PROBLEMS`, and the id of the payment if it is about one.
    vipps_problem = fields.Char(copy=False, readonly=True, index='btree_not_null')

    @api.model
    def _vipps_find(self, record, problem):
        """ Return the activities of a record about a problem.

        :param record: The order, session or provider.
        :param str problem: The key of the problem, with the id of the payment if it is about one.
        :rtype: mail.activity
        """
        return record.sudo().activity_ids.filtered(
            lambda activity: activity.vipps_problem == problem
        )

    @api.model
    def _vipps_schedule(self, record, user, problem, summary, note):
        """ Give a person something to do.

        :param record: The order, session or provider: people look at it when there is something to
                       do. Who asks for it is its user.
        :param res.users user: The person.
        :param str problem: The key of the problem, with the id of the payment if it is about one.
        :param str summary: What it is about, in a few words.
        :param str note: What happened and what to do.
        :return: None
        """
        # A mail server that hangs holds nothing up: Odoo's queue of mails sends what is to be sent.
        record.with_context(mail_notify_force_send=False).activity_schedule(
            'mail.mail_activity_data_warning', summary=summary, note=note, user_id=user.id,
            vipps_problem=problem,
        )
