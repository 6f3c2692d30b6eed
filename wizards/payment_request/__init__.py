# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import vipps_payment_request_send
from . import vipps_personal_data
