/** @odoo-module **/

import { askForCode } from "@mobilepay_vipps/pos/popups/code_popup";
import { openPopup } from "@mobilepay_vipps/pos/popups/focus";
import { PhonePopup } from "@mobilepay_vipps/pos/popups/phone_popup";

// As the API takes them.
const MIN_CODE_LENGTH = 5;
const MAX_CODE_LENGTH = 255;

/**
 * Ask the cashier for what a way to pay needs to know of the customer. Wrong input is refused here,
 * before anything is cancelled for it.
 *
 * @param {Object} attempts - the service of attempts
 * @param {Object} line
 * @param {string} [flow] - the key of one of `getFlows`
 * @returns {Promise<Object|null>} the phone number or the code, null if there is none
 */
export async function askForInput(attempts, line, flow) {
    if (flow === "push") {
        return askForPhone(attempts, line);
    }
    if (flow === "code") {
        const code = await askForCode(attempts.env, line, (code) => isCode(attempts.pos, code));
        return code && { code };
    }
    return {};
}

async function askForPhone(attempts, line) {
    const { company } = attempts.pos;
    const partner = line.order.get_partner();
    const { confirmed, payload } = await openPopup(attempts.popup, PhonePopup, {
        methodName: line.payment_method.name,
        countryPrefix: company.country ? `+${company.country.phone_code}` : "",
        phone: line.vipps_status.phone || partner?.mobile || partner?.phone || "",
        check: (phone) => attempts.checkPhone(phone),
    });
    return confirmed ? { phone: payload } : null;
}

/**
 * Return whether a text can be the code of a customer: barcodes of products and contacts are not
 * sent to Vipps MobilePay.
 */
function isCode(pos, code) {
    return (
        code.length >= MIN_CODE_LENGTH &&
        code.length <= MAX_CODE_LENGTH &&
        !/^\d+$/.test(code) &&
        !pos.db.get_product_by_barcode(code) &&
        !pos.db.get_partner_by_barcode(code)
    );
}
