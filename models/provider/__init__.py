# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import ir_config_parameter
from . import ir_module_module
from . import payment_provider
from . import capture
from . import webhook
from . import webhook_secret
from . import check_in
from . import credentials
from . import problem
from . import alert
from . import health
from . import availability
from . import checklist
from . import setup_guide
from . import privacy
from . import payment_method
