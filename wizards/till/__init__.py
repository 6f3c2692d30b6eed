# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import pos_make_payment
from . import vipps_till_attempt
from . import vipps_till_refund_wizard
