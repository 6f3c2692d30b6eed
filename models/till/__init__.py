# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import payment_provider
from . import pos_payment_method
from . import pos_payment_method_availability
from . import payment_transaction
from . import payment_transaction_order
from . import payment_transaction_refund
from . import payment_transaction_staff
from . import payment_transaction_settling
from . import payment_transaction_accounting
from . import pos_config
from . import pos_settings_audit
from . import pos_payment
from . import pos_order
from . import pos_order_finishing
from . import pos_order_refund
from . import sale_order
from . import pos_session
from . import pos_session_closing
from . import pos_session_limits
from . import rate_limit
