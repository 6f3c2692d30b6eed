# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import secret_fields
from . import audited
from . import guarded_export
