# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import payment_provider
from . import pos_config
from . import pos_payment_method
from . import pos_payment
from . import pos_order
from . import pos_session
from . import attempt
from . import attempt_order
from . import refund
from . import closing
from . import accounting
from . import sticker
from . import checklist
from . import check_in
from . import online_payment
from . import sale_order
