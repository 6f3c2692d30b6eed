/** @odoo-module **/

import { odooExceptionTitleMap, WarningDialog } from "@web/core/errors/error_dialogs";
import { registry } from "@web/core/registry";

// A sentence for people, like the UserError that it is; but Odoo knows errors by their names only.
const ERROR = "odoo.addons.mobilepay_vipps.models.api.client.VippsError";

odooExceptionTitleMap.set(ERROR, odooExceptionTitleMap.get("odoo.exceptions.UserError"));
registry.category("error_dialogs").add(ERROR, WarningDialog);
