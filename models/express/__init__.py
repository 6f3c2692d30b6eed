# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import problem
from . import checklist
from . import provider
from . import fiscal_position
from . import carrier
from . import product
from . import coupon
from . import order
from . import delivery
from . import payment
from . import completion
from . import contact
from . import webhook_event
