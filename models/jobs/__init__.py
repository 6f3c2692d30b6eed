# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import task
from . import scheduling
from . import ir_http
from . import webhook_event
from . import audit_event
from . import rate_limit
