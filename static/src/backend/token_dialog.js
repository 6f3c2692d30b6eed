/** @odoo-module **/

import { Component } from "@odoo/owl";
import { CopyButton } from "@web/views/fields/copy_clipboard/copy_button";
import { Dialog } from "@web/core/dialog/dialog";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";

/**
 * Shows a token that nobody can read a second time.
 */
export class TokenDialog extends Component {
    static template = "mobilepay_vipps.TokenDialog";
    static components = { CopyButton, Dialog };
    static props = { token: String, close: Function };

    get title() {
        return _t("Monitoring Token");
    }
    get copyText() {
        return _t("Copy");
    }
    get copiedText() {
        return _t("Copied");
    }
}

registry.category("actions").add("vipps_show_token", (env, action) => {
    env.services.dialog.add(TokenDialog, { token: action.params.token });
});
