# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import payment_capture_wizard
from . import payment_refund_wizard
from . import pos_make_payment
from . import vipps_key_rotation
from . import vipps_personal_data
from . import vipps_refund_wizard
from . import vipps_setup_guide
from . import vipps_setup_guide_keys
from . import vipps_setup_guide_payment
from . import vipps_till_attempt
from . import vipps_till_refund_wizard
