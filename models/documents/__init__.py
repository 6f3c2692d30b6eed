# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import paid_document
from . import account_move
from . import account_payment
from . import account_payment_method_line
from . import sale_order
from . import sale_order_delivery
from . import sale_order_mail
from . import sale_order_staff
from . import stock_picking
from . import mail_template
from . import res_partner
