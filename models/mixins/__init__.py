# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import secret_fields
from . import entered_keys
from . import audited
from . import guarded_export
