# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import vipps_key_rotation
from . import vipps_setup_guide
from . import vipps_setup_guide_keys
from . import vipps_setup_guide_payment
from . import vipps_setup_guide_ways
