# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import inspect

from odoo.fields import Command
from odoo.tests import tagged

from .discovery_common import READERS, WRITERS, Attacker, DiscoveryCommon
from .discovery_victim import LINKED_MODELS

# Models of ours without a record of any victim, and why.
WITHOUT_VICTIM = {
    'vipps.settlement.import': "It is a dialog that links to files.",
    'vipps.request': "It counts requests, by signatures of addresses.",
}

# Core's buttons of documents, which operate on payments in sudo mode.
CORE_BUTTONS = ('payment_action_capture', 'payment_action_void')

# Methods of core that are tried with records and values.
TRIED = READERS | WRITERS


@tagged('post_install', '-at_install')
class TestDiscovery(DiscoveryCommon):
    """ Every part of the addon: nothing of a victim is shown to others or changed by them.

    Models, fields, methods and context keys are found, so that new ones are attacked, too.
    """

    #=== What is attacked ===#

    def test_every_part_is_attacked(self):
        with self.subTest("records"):
            found = {
                model for model in self._find_own_models()
                if not self.env[model]._abstract and not self.victims.get(model)
            }
            self.assertEqual(found, set(WITHOUT_VICTIM), "Make a record of the victim.")
        with self.subTest("parameters"):
            parameters = {
                parameter.name for _model, _name, function in self._find_methods()
                for parameter in self._get_parameters(function)
            }
            self.assertEqual(parameters - self._get_arguments().keys(), set(), "Say what to try.")
        self.assertGreater(len(self._find_models()), 20)
        self.assertIn('vipps_source', self._find_context_keys())
        # The victim's documents are really out of reach, and within that of a colleague.
        rights = {attacker.name: rights for attacker, rights in self.rights.items()}
        rights['colleague'] = self._get_rights(Attacker('colleague', self.colleague, 'own'))
        everything = {'order', 'paid order', 'invoice', 'draft', 'till'}
        self.assertLessEqual(everything, rights['colleague'][0])
        for name in ('public', 'portal (own)', 'internal (own)', 'sales (own)',
                     'administrator (other)', 'invoicing (other)', 'manager (branch)'):
            self.assertFalse(rights[name][0] & everything, name)

    #=== Records that there are ===#

    def test_nothing_is_told_of_records(self):
        for attacker in self.attackers:
            for model, records in self.victims.items():
                names = self._get_visible(attacker, model)
                if names:
                    self._attack_record(attacker, model, records.ids[:2], names)
        self._assert_nothing_found()

    def _attack_record(self, attacker, model, ids, names):
        specification = {name: {} for name in names}
        self._strike(attacker, model, 'onchange', ids[:1], {}, [], specification)
        if self._may(attacker, 'read', self.env[model]):
            stored = [name for name in names if self.env[model]._fields[name].store][:1]
            domain = [('id', 'in', ids)]
            self._read_fields(attacker, model, ids, names)
            self._try_fields(model, names, lambda some: self._strike(
                attacker, model, 'export_data', ids, some,
            ))
            self._strike(attacker, model, 'web_search_read', domain, specification)
            self._strike(attacker, model, 'name_search', '', domain)
            self._strike(attacker, model, 'read_group', domain, stored, stored)
        for method, needed, denied, args in (
            ('write', 'write', 'write', [{names[0]: False}]),
            ('unlink', 'unlink', 'unlink', []),
            ('copy', 'create', 'read', []),
        ):
            record = self.env[model].browse(ids[:1])
            if self._may(attacker, needed, record.browse()) and not self._may(
                attacker, denied, record
            ):
                self._strike(attacker, model, method, record.ids, *args)

    def _read_fields(self, attacker, model, ids, names, given=()):
        """ Read all fields at once, and by halves if a readable one spoils that. """
        if self._strike(attacker, model, 'read', ids, names, given=given) and self._may(
            attacker, 'read', self.env[model].browse(ids)
        ):
            self._try_fields(model, names, lambda some: self._strike(
                attacker, model, 'read', ids, some, given=given,
            ))

    def _try_fields(self, model, names, strike):
        """ Try all that is computed at once, and by halves if one of the fields spoils that. """
        names = [name for name in names if self.env[model]._fields[name].compute]
        if strike(names) and len(names) > 1:
            half = len(names) // 2
            self._try_fields(model, names[:half], strike)
            self._try_fields(model, names[half:], strike)

    #=== Records that are made up ===#

    def test_nothing_is_told_of_records_that_are_made_up(self):
        for attacker in self.attackers:
            for model in sorted(self._find_models()):
                names = self._get_visible(attacker, model)
                values = {}
                for values in self._make_up(model) if names else ():
                    self._make_up_in_form(attacker, model, values, names)
                if values:  # These were all of them at once.
                    self._make_up_by_defaults(attacker, model, values, names)
        self._assert_nothing_found()

    def _make_up_in_form(self, attacker, model, values, names):
        own = self.own_records.get(attacker.place, {}).get(model)
        for ids in ([], own.ids[:1]) if own else ([],):
            self._try_fields(model, names, lambda some, ids=ids: self._strike(
                attacker, model, 'onchange', ids, values, list(values),
                {name: {} for name in (*values, *some)}, given=self._get_given(values),
            ))

    def _make_up_by_defaults(self, attacker, model, values, names):
        self._strike(
            attacker, model, 'onchange', [], {}, [], {name: {} for name in (*values, *names)},
            context={f'default_{name}': value for name, value in values.items()},
            given=self._get_given(values),
        )

    def _make_up(self, model):
        """ Yield values that tie a record to the victim: with each relation, and with all. """
        is_own = model in self._find_own_models()
        links, texts = {}, {}
        for name, field in self.env[model]._fields.items():
            if field.type == 'char' and is_own and field.store:
                texts[name] = self.till_reference
            if not field.automatic and self.victims.get(field.comodel_name) and (
                is_own or field.comodel_name in LINKED_MODELS
            ) and (field.store or field.inverse):
                ids = self.victims[field.comodel_name].ids
                links[name] = ids[0] if field.type == 'many2one' else [Command.set(ids)]
        for name, link in links.items():
            yield {**texts, name: link}
        if len(links) > 1:
            yield {**texts, **links}

    def _get_given(self, values):
        return {value for value in values.values() if isinstance(value, str)}

    def test_nothing_is_told_of_records_that_are_created(self):
        for attacker in self.attackers:
            for model in sorted(self._find_models()):
                if self.env[model]._abstract or not self._may(attacker, 'create', self.env[model]):
                    continue
                for values in self._make_up(model):
                    values = {**self._prepare_required(attacker, model), **values}
                    given = self._get_given(values)
                    self._strike(
                        attacker, model, 'create', values, given=given,
                        then=lambda created, model=model, given=given, attacker=attacker:
                        self._look_and_press(attacker, model, created, given),
                    )
        self._assert_nothing_found()

    def _prepare_required(self, attacker, model):
        """ Return values for the required fields of a record, from an own one if there is one. """
        own = self.own_records.get(attacker.place, {}).get(model)
        if own:
            return own[:1].sudo().copy_data()[0]
        values = {}
        for name, field in self.env[model]._fields.items():
            if not field.required or field.compute or field.automatic or not field.store:
                continue
            if field.type == 'many2one' and self.victims.get(field.comodel_name):
                values[name] = self.victims[field.comodel_name].ids[0]
            elif field.type == 'selection':
                values[name] = field.get_values(self.env)[0]
            elif field.type == 'char':
                values[name] = self.till_reference
        return values

    #=== Own records that are tied to the victim ===#

    def test_own_records_are_no_way_to_those_of_others(self):
        for attacker in self.attackers:
            for model, own in self.own_records.get(attacker.place, {}).items():
                if model == 'res.partner' or not self._may(attacker, 'write', own):
                    continue
                document = model.removesuffix('.line')
                for values in self._make_up(model):
                    self._strike(
                        attacker, model, 'write', own.ids, values,
                        then=lambda _result, attacker=attacker, document=document:
                        self._press_own(attacker, [document]),
                    )
        self._assert_nothing_found()

    def _press_own(self, attacker, models, context=None):
        for model in models:
            for record in self.own_records[attacker.place].get(model, ()):
                self._look_and_press(attacker, model, record.ids, context=context)

    def _look_and_press(self, attacker, model, ids, given=(), opened=(), context=None):
        """ Read the fields of a record, press all of its buttons, and those of the views that these
        open. """
        ids = ids if isinstance(ids, list) else [ids]
        names = self._get_visible(attacker, model)
        if not context:
            self._read_fields(attacker, model, ids, names, given)
        buttons = {
            name: self._get_values(function) for owner, name, function in self._find_methods()
            if owner == model and name not in TRIED
        } | {name: [] for name in CORE_BUTTONS if hasattr(self.env[model], name)}
        for name, values in sorted(buttons.items()):
            self._strike(
                attacker, model, name, ids, *values, given=given, context=context or {},
                then=lambda action: self._follow(attacker, action, given, (*opened, model)),
            )

    def _follow(self, attacker, action, given=(), opened=()):
        if not isinstance(action, dict) or action.get('target') != 'new':
            return
        model = action.get('res_model')
        if model in opened or model not in self._find_models():
            return
        if action.get('res_id'):
            self._look_and_press(attacker, model, action['res_id'], given, opened)
        else:
            self._strike(
                attacker, model, 'create', {}, context=action.get('context'), given=given,
                then=lambda created: self._look_and_press(
                    attacker, model, created, given, opened
                ),
            )

    #=== Methods and contexts ===#

    def _get_parameters(self, function):
        return [
            parameter for parameter in list(inspect.signature(function).parameters.values())[1:]
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]

    def _get_arguments(self):
        """ Return the arguments for parameters of our methods, by their names. """
        return {
            'amount_to_refund': 1, 'check_in': 1, 'code': False, 'default': {}, 'draft': True,
            'flow': 'qr', 'email_layout_xmlid': False, 'email_values': {}, 'fields_list': [],
            'fields_to_export': [], 'force_send': False, 'name': 'open',
            'next_online_payment_amount': 0, 'notes': "x", 'order_id': self.till_order.id,
            'orders': [], 'phone': '90000001',
            'pos_references': [self.till_order.pos_reference],
            'raise_exception': False, 'reference': self.till_reference,
            'res_id': self.victims['sale.order'].ids[0], 'uuid': self.till_uuid, 'values': {},
            'vals_list': [{}], 'values_list': [{}], 'with_qr': True,
        }

    def _get_values(self, function):
        return [self._get_arguments()[p.name] for p in self._get_parameters(function)]

    def test_no_method_tells_or_changes_anything_of_others(self):
        given = {self.till_reference, self.till_order.pos_reference}
        for attacker in self.attackers:
            for model, name, function in self._find_methods():
                if name in TRIED:
                    continue
                values = self._get_values(function)
                if getattr(function, '_api', None) in ('model', 'model_create'):
                    self._strike(attacker, model, name, *values, given=given)
                    continue
                for record in self.victims.get(model, self.env[model])[:3] or [None]:
                    self._strike(
                        attacker, model, name, record.ids if record else [], *values, given=given,
                        then=lambda action, attacker=attacker: self._follow(attacker, action),
                    )
        self._assert_nothing_found()

    def test_no_context_steers_sudo_mode(self):
        """ Operate on own payments, with the victim's records in each key that our code reads. """
        for attacker in self.attackers:
            if attacker.name not in ('sales (other)', 'invoicing (other)'):
                continue
            for context in self._make_contexts():
                self._press_own(
                    attacker, ('account.payment', 'payment.transaction', 'sale.order'), context,
                )
        self._assert_nothing_found()

    def _make_contexts(self):
        """ Yield contexts with the victim's ids in all keys at once. """
        keys = self._find_context_keys()
        for value in (
            True, self.draft_move.id, self.till_order.id, self.victims['sale.order'].ids[0],
            self.victims['payment.transaction'].ids[0],
        ):
            yield dict.fromkeys(keys, value)
        for model in ('payment.transaction', 'account.payment', 'account.move'):
            *_, everything = self._make_up(model)
            yield {f'default_{name}': value for name, value in everything.items()}
