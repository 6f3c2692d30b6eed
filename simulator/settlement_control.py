"""Serve the control endpoints of settlements."""

from .ledger import TOPICS
from .settlement import ENTRY
from .validation import BOOLEAN, array, integer, record, text, validate

_SWITCHES = record(optional={'available': BOOLEAN, 'ledgers_page_size': integer(1)})
_LEDGER = record({'ledger_id': text(1)})
_ENTRIES = record({'entries': array(ENTRY)})
_DISPUTE = record({'reference': text()}, {'won': BOOLEAN, 'psp_reference': text()})


class SettlementControl:
    """Answers below `/control/settlements`, in JSON:

    - `POST settlements`: `{"available": false}`: answer as the real test environment, which has no
      Report API; `{"ledgers_page_size": 1}`
    - `GET settlements/MSN`: the ledgers, balances and payouts of a sales unit;
      `GET settlements/MSN/funds`, `fees`: the entries
    - `POST settlements/MSN`: change settings, see :class:`settlement.Settlement`
    - `POST settlements/MSN/ledgers`: `{"ledger_id": "…"}`: the sales unit gets a new ledger
    - `POST settlements/MSN/close`: `{"days": 1, "payout": true}`: close the open date and as many
      more; both can be left out
    - `POST settlements/MSN/payouts/NUMBER/abort`: the transfer fails
    - `POST settlements/MSN/entries`: `{"entries": [{"topic": "funds", "entryType": "top-up",
      "amount": 100}]}`, see :meth:`settlement.Settlement.add_entry`
    - `GET settlements/MSN/file`: `{"csv": "…"}`, the export of the portal with personal data;
      `?language=en` or nb
    - `POST settlements/MSN/disputes`: `{"reference": "…", "won": false}`, and `psp_reference`
    """

    def __init__(self, world):
        self._world = world
        msn = r'settlements/([0-9]+)'
        self.routes = [
            ('POST', 'settlements', self._set),
            ('GET', msn, self._show),
            ('GET', rf'{msn}/({"|".join(TOPICS)})', self._list_entries),
            ('POST', msn, self._configure),
            ('POST', rf'{msn}/ledgers', self._add_ledger),
            ('POST', rf'{msn}/close', self._close),
            ('POST', rf'{msn}/payouts/([0-9]+)/abort', self._abort),
            ('POST', rf'{msn}/entries', self._add_entries),
            ('GET', rf'{msn}/file', self._export),
            ('POST', rf'{msn}/disputes', self._dispute),
        ]

    @property
    def _settlement(self):
        return self._world.settlement

    def _set(self, request, body):
        validate(_SWITCHES, body)
        settlement = self._settlement
        settlement.is_available = body.get('available', settlement.is_available)
        settlement.ledgers_page_size = body.get('ledgers_page_size', settlement.ledgers_page_size)
        return {
            'available': settlement.is_available, 'ledgers_page_size': settlement.ledgers_page_size,
        }

    def _show(self, request, body, msn):
        return {'ledgers': self._settlement.describe(msn)}

    def _list_entries(self, request, body, msn, topic):
        return {'entries': self._settlement.entries(msn, topic)}

    def _configure(self, request, body, msn):
        self._settlement.configure(msn, **body)
        return self._show(request, {}, msn)

    def _add_ledger(self, request, body, msn):
        validate(_LEDGER, body)
        self._settlement.find(msn)
        self._settlement.add_ledger(msn, body['ledger_id'])
        return self._show(request, {}, msn)

    def _close(self, request, body, msn):
        return {'payouts': self._settlement.close(msn, **body)}

    def _abort(self, request, body, msn, number):
        return self._settlement.abort_payout(msn, number)

    def _add_entries(self, request, body, msn):
        validate(_ENTRIES, body)
        return {'entries': [self._settlement.add_entry(msn, **entry) for entry in body['entries']]}

    def _export(self, request, body, msn):
        return {'csv': self._settlement.export(msn, request.args.get('language', 'nb'))}

    def _dispute(self, request, body, msn):
        validate(_DISPUTE, body)
        return self._settlement.dispute(msn, **body)
