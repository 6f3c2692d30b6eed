# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import payment_transaction
from . import problem
from . import locking
from . import sync
from . import difference
from . import children
from . import checkout
from . import operations
from . import action
from . import document
from . import capture
from . import coverage
from . import customer_message
from . import follow_up
from . import accounting
from . import app_link
from . import legal_links
from . import activity
from . import staff
from . import report
from . import user_info
