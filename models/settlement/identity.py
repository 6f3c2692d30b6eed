# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from collections import defaultdict

from odoo import api, models

from .entry import LABELS

# There is one of each for a reference, or for a date, whatever time a file states for it.
SINGLE_TYPES = ('capture', 'refund', 'fees-retained', 'payout-scheduled')

# The parts of a second in a time of the API.
FRACTION_PATTERN = re.compile(r'\.(\d+)', re.ASCII)


class VippsSettlementEntry(models.Model):
    """ The identity of entries, which come more than once: by the API and in files. """
    _inherit = 'vipps.settlement.entry'

    #=== BUSINESS METHODS - STORING ===#

    @api.model
    def _filter_new(self, ledger, topic, values_list, source='api'):
        """ Return the values of the entries that are not stored, each with its `occurrence`. """
        twins, days = defaultdict(list), {values['ledger_date'] for values in values_list}
        for entry in self.search_fetch([
            ('ledger_id', '=', ledger.id),
            ('topic', '=', topic),
            '|', ('psp_reference', 'in', list({values['psp_reference'] for values in values_list})),
            '&', ('entry_type', '=', 'fees-retained'), ('ledger_date', 'in', list(days)),
        ], [
            'psp_reference', 'entry_type', 'amount', 'time', 'ledger_date', 'has_balance',
            'balance_after', 'source', 'raw',
        ], order='occurrence'):
            for key in self._get_keys(entry):
                twins[key].append(entry)
        new_list, known = [], set()
        for values in values_list:
            keys = self._get_keys(values)
            same = next((
                entry for key in keys for entry in twins[key]
                if id(entry) not in known and self._is_same(entry, values, source)
            ), None)
            if same is None:
                alike = [
                    entry for entry in twins[keys[0]]
                    if entry['psp_reference'] == values['psp_reference']
                    and entry['entry_type'] == values['entry_type']
                ]
                same = {
                    'source': source, 'raw': None, **values, 'occurrence': len(alike) + 1,
                }
                new_list.append(same)
                for key in keys:
                    twins[key].append(same)
            known.add(id(same))
        return new_list

    @api.model
    def _get_keys(self, values):
        """ Return what entries have in common that can be the same. Files have other references of
        retained fees than the API has; there is one such entry for a date. """
        keys = [(values['psp_reference'], values['amount'])]
        if values['entry_type'] == 'fees-retained':
            keys.append((values['ledger_date'], values['amount']))
        return keys

    @api.model
    def _is_same(self, entry, values, source):
        """ Return whether nothing tells an entry from another one that is alike.

        In a file that Excel saved, times have no seconds. A file can also have a label of a type
        that is not known; then the balances say it, or the times if it has no balances.

        Of two with the same time, amount and balance, others in between make up for one. If one is
        taken for the other, these are as well, or else the next balance shows a gap.
        """
        is_loose = 'file' in (entry['source'], source)
        is_same_type = entry['entry_type'] == values['entry_type']
        has_balances = entry['has_balance'] and values.get('has_balance')
        if has_balances and entry['balance_after'] != values['balance_after']:
            return False
        is_same_reference = entry['psp_reference'] == values['psp_reference']
        if not is_loose and not (is_same_type and is_same_reference):
            return False
        if not is_same_type and {entry['entry_type'], values['entry_type']} <= LABELS.keys():
            return False
        is_sure = is_same_type or has_balances
        if is_loose and is_sure and entry['entry_type'] in SINGLE_TYPES:
            return True
        times = [entry['time'], values.get('time')]
        if not is_sure and not all(times):
            return False
        if is_loose and all(times) and not all(time.second for time in times):
            times = [time.replace(second=0) for time in times]
        if all(times) and times[0] != times[1]:
            return False
        fractions = [self._get_fraction(raw) for raw in (entry['raw'], values.get('raw'))]
        digits = min(map(len, fractions))
        return fractions[0][:digits] == fractions[1][:digits]

    @api.model
    def _get_fraction(self, raw):
        """ Return the digits after the second in the time of an entry as it came: there are more or
        less of them. """
        fraction = FRACTION_PATTERN.search((raw or {}).get('time') or '')
        return fraction[1] if fraction else ''
