# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import vipps_settlement_choice
from . import vipps_settlement_day
from . import vipps_setup_guide_settlement
from . import vipps_settlement_import
