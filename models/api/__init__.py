# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import client
from . import conversion
from . import express
from . import qr
from . import settlement
from . import portal_file
from . import waiting
from . import api_call
