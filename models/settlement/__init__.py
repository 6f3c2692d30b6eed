# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import ledger
from . import settings
from . import set_up
from . import entry
from . import identity
from . import payout
from . import fee_report
from . import payout_report
from . import chain
from . import first_day
from . import fetching
from . import file
from . import booking
from . import matching
from . import payments
from . import undone
from . import bank
from . import payout_link
from . import unsettled
from . import problem
from . import dispute
from . import dashboard
from . import till
