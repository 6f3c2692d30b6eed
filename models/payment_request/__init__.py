# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import payable
from . import invoice
from . import quotation
from . import payment
from . import printed_code
from . import app_code
from . import request
from . import sending
from . import portal
from . import push
from . import consent
from . import reminder
from . import page
from . import page_invoice
from . import problem
from . import checklist
