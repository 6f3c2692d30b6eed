# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import test_app_link
from . import test_accounting
from . import test_checkout
from . import test_checkout_return
from . import test_checkout_trouble
from . import test_delivery
from . import test_encryption
from . import test_payment_children
from . import test_payment_comparison
from . import test_payment_method
from . import test_payment_operation
from . import test_payment_provider
from . import test_payment_provider_connection
from . import test_payment_provider_removal
from . import test_payment_reading
from . import test_payment_reference
from . import test_payment_request
from . import test_payment_transaction
from . import test_rpc
from . import test_second_payment
from . import test_tours
from . import test_webhook
from . import test_webhook_event
from . import test_webhook_inbox
from . import test_webhook_watch
