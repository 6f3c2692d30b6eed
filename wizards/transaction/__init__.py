# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import payment_capture_wizard
from . import payment_refund_wizard
from . import vipps_personal_data
