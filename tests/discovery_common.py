# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import copy
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from odoo.api import call_kw
from odoo.tools import mute_logger

from ..simulator.sales_units import NOK_UNIT
from .common import KEYS
from .discovery_victim import ADDON, Secret, VictimCommon

ROLES = {
    'portal': 'base.group_portal',
    'internal': 'base.group_user',
    'till': 'base.group_user,point_of_sale.group_pos_user',
    'sales': 'base.group_user,sales_team.group_sale_salesman',
    'invoicing': 'base.group_user,account.group_account_invoice',
    'manager': f'base.group_user,{ADDON}.group_payment_manager',
    'administrator': 'base.group_system',
}

# Those of the own company do not own the documents; those of others have documents of their own.
# The accountant may change payments and comes last, as the simulator does not forget.
ATTACKERS = {
    'other': ('till', 'sales', 'invoicing', 'manager', 'administrator'),
    'branch': ('till', 'invoicing', 'manager'),
    'own': ('portal', 'internal', 'till', 'sales', 'administrator', 'invoicing'),
}

# Methods of core that change nothing, and those after which only what is ours is looked at, as
# core changes the same without us.
READERS = {'export_data', 'name_search', 'onchange', 'read', 'read_group', 'web_search_read'}
WRITERS = {'copy', 'create', 'unlink', 'write'}


class Attacker(NamedTuple):
    """ A user, and the company that this user works in. """
    name: str
    user: object
    place: str  # own: the victim's company, other, or branch


class Undo(Exception):
    pass


class DiscoveryCommon(VictimCommon):
    """ Attackers without rights to the victim's records, and their ways to try. """
    has_second_company = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.company_data_2['company']
        cls.branch = cls.env['res.company'].create({
            'name': "A Branch", 'parent_id': cls.company.id,
        })
        cls.other_vipps = cls.vipps.copy({'company_id': cls.other_company.id})
        cls.other_vipps.write({
            'vipps_merchant_serial_number': NOK_UNIT.msn, 'state': 'test', **KEYS,
        })
        cls.other_vipps.journal_id = cls.company_data_2['default_journal_bank']
        companies = {'own': cls.company, 'other': cls.other_company, 'branch': cls.branch}
        cls.attackers = [Attacker('public', cls.env.ref('base.public_user'), 'own')]
        for place, roles in ATTACKERS.items():
            for role in roles:
                user = cls._create_attacker(role, ROLES[role], companies[place])
                cls.attackers.append(Attacker(f'{role} ({place})', user, place))
        cls.colleague = cls._create_attacker(
            'colleague', ','.join(ROLES[role] for role in ('sales', 'till', 'manager')),
            cls.company,
        )

    @classmethod
    def _create_attacker(cls, role, group, company):
        return cls._new_user(
            f'discovery_{role}_{company.id}', f'{group},base.group_allow_export', company,
        )

    def setUp(self):
        super().setUp()
        muted = mute_logger(
            'odoo.sql_db', 'odoo.models', 'odoo.addons.base.models.ir_model',
            'odoo.addons.base.models.ir_module', 'odoo.addons.base.models.ir_rule',
             'odoo.addons.point_of_sale.models.pos_order',
            'odoo.addons.payment.models.payment_transaction', 'odoo.api',
        )
        muted.__enter__()
        self.addCleanup(muted.__exit__, None, None, None)
        self.findings, self.strikes, self._rows_query = set(), 0, None
        self.secrets = self._make_secrets()
        self.victims = self._collect_victims()
        self.secrets += [
            Secret(model, list(self.victims.get(model, ())), set())
            for model in sorted(self._find_own_models())
        ]
        self.own_records = {
            place: self._make_own(company) for place, company in (
                ('other', self.other_company), ('branch', self.branch),
            )
        }
        self._add_own_payment(self.own_records['other'])
        self.env.flush_all()
        self.env.cr.precommit.clear()
        self.env.cr.postcommit.clear()
        self._rows = self._read_rows()
        self.rights = {attacker: self._get_rights(attacker) for attacker in self.attackers}

    #=== What an attacker may know and change ===#

    def _get_rights(self, attacker):
        """ Return the names of the models that the attacker may read and of those that the attacker
        may write.

        Records of our models are written by us alone: who may read them may press their buttons.
        What is to be done with a payment changes with the payment.
        """
        readable, writable = (
            {
                secret.name for secret in self.secrets
                if any(self._may(attacker, operation, document) for document in secret.documents)
            } for operation in ('read', 'write')
        )
        if self._may(attacker, 'write', self.victims['payment.transaction']):
            writable.add('vipps.task')
        return readable, writable | readable & self._find_own_models()

    def _may(self, attacker, operation, records):
        """ Return whether the attacker may do it: with the model, and with some of the records. """
        records = records.with_user(attacker.user)
        return records.check_access_rights(operation, raise_exception=False) and (
            not records or bool(records._filter_access_rules(operation))
        )

    @cache  # noqa: B019
    def _get_visible(self, attacker, model):
        """ Return the names of our fields that the attacker is shown. """
        visible = self.env[model].with_user(attacker.user).fields_get(attributes=['type'])
        return [name for name in self._find_fields(model) if name in visible]

    #=== Attacks ===#

    def _strike(self, attacker, model, method, *args, given=(), then=None, **kwargs):
        """ Call a method as a browser does, check its answer and its effects, and undo it.

        :param given: What the attacker said, and may be told again.
        :param then: What else is done before it is undone, with the answer.
        :return: Whether the call was refused.
        """
        self.strikes += 1
        asked, rows, refused = len(self.simulator.exchanges), self._rows, False
        what = f"{model}.{method}{args}{kwargs or ''}"[:200]
        self.env.invalidate_all()
        with suppress(Undo), self.env.cr.savepoint():
            env = self.env(user=attacker.user.id, context={}, su=False)
            try:
                answer = call_kw(
                    env[model], method, copy.deepcopy(list(args)), copy.deepcopy(kwargs)
                )
                env.flush_all()
                if method not in READERS:
                    env.cr.precommit.run()
            except Exception as error:
                refused, answer = True, error.args
            self._note_told(attacker, what, answer, given)
            self._note_asked(attacker, what, asked)
            if not refused and method not in READERS:
                self._note_changed(attacker, what, method in WRITERS)
            if not refused and then:
                then(answer)
            raise Undo
        self._rows = rows
        for queue in (self.env.cr.precommit, self.env.cr.postcommit, self.env.cr.postrollback):
            queue.clear()
        return refused

    def _note_told(self, attacker, what, answer, given):
        readable, _writable = self.rights[attacker]
        text = repr(answer)
        for secret in self.secrets:
            told = {told for told in secret.texts if told in text} - set(given)
            if told and secret.name not in readable:
                self.findings.add(f"{attacker.name}: {what} tells {sorted(told)} ({secret.name})")

    def _note_changed(self, attacker, what, only_ours):
        _readable, writable = self.rights[attacker]
        before, self._rows = self._rows, self._read_rows()
        for (name, is_ours), rows in self._rows.items():
            if rows != before[name, is_ours] and name not in writable and (
                is_ours or not only_ours
            ):
                self.findings.add(f"{attacker.name}: {what} changes {name}")

    def _note_asked(self, attacker, what, count):
        """ Note the calls to Vipps MobilePay; a user with read access may have a payment read. """
        readable, writable = self.rights[attacker]
        for exchange in self.simulator.exchanges[count:]:
            allowed = readable | writable if exchange['operation'] == 'get' else writable
            for secret in self.secrets:
                if exchange['reference'] in secret.texts and secret.name not in allowed:
                    self.findings.add(
                        f"{attacker.name}: {what} asks to {exchange['operation']} {secret.name}"
                    )

    def _assert_nothing_found(self):
        self.assertGreater(self.strikes, 100)
        findings = sorted(self.findings)
        self.assertFalse(findings, "\n".join([f"{len(findings)} findings:", *findings[:100]]))
