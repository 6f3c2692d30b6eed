# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import ir_module_module
from . import vipps_api_client
from . import payment_provider
from . import payment_provider_capture
from . import payment_provider_webhook
from . import payment_method
from . import payment_transaction
from . import payment_transaction_converging
from . import payment_transaction_reading
from . import payment_transaction_checkout
from . import payment_transaction_operation
from . import payment_transaction_comparison
from . import vipps_webhook_event
