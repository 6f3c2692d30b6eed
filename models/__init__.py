# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import ir_module_module
from . import vipps_api_client
from . import payment_provider
from . import payment_provider_capture
from . import payment_provider_webhook
from . import payment_method
from . import payment_transaction
from . import payment_transaction_children
from . import payment_transaction_converging
from . import payment_transaction_reading
from . import payment_transaction_checkout
from . import payment_transaction_operation
from . import payment_transaction_request
from . import payment_transaction_delivery
from . import payment_transaction_accounting
from . import payment_transaction_app
from . import payment_transaction_comparison
from . import payment_transaction_activity
from . import payment_transaction_deadline
from . import vipps_webhook_event
from . import vipps_read_request
from . import sale_order_delivery
from . import account_move
from . import account_payment
from . import sale_order
from . import stock_picking_app
