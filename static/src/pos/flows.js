/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";

/**
 * The ways to ask for a payment, as the server knows them.
 */
const FLOWS = {
    qr: { key: "qr", label: _t("QR code"), icon: "fa-qrcode" },
    push: { key: "push", label: _t("Phone number"), icon: "fa-mobile" },
    code: { key: "code", label: _t("Customer's code"), icon: "fa-barcode" },
    sticker: { key: "sticker", label: _t("Sticker"), icon: "fa-sticky-note-o" },
};

/**
 * Return the ways in which the till can ask for a payment, the one to take first at the beginning.
 *
 * @param {Object} line - the payment
 * @returns {Object[]}
 */
export function getFlows(line) {
    const { payment_method: method, pos } = line;
    const keys = ["qr", "push", "code"].filter(
        (key) => method[`vipps_allow_${key}`] && (key === "qr" || !method.vipps_push_refused)
    );
    if (pos.config.vipps_sticker_method_ids.includes(method.id)) {
        keys.push("sticker");
    }
    keys.sort((a, b) => (b === method.vipps_default_flow) - (a === method.vipps_default_flow));
    return keys.map((key) => FLOWS[key]);
}
