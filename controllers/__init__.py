# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import health
from . import main
from . import express
from . import pay
from . import portal
from . import pos_payment
from . import post_processing
from . import sticker
