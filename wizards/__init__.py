# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import provider
from . import transaction
from . import documents
from . import till
from . import settlement
from . import payment_request
