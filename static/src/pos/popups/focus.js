/** @odoo-module **/

// What takes the place of a button that is gone, the first one that is there. Never the button that
// refunds: scanners send the Enter key.
const FOCUSED_INSTEAD = [
    ".o_vipps_selected button[name=vipps_show_qr]",
    ".o_vipps_selected.o_vipps_ask button",
    ".o_vipps_selected",
];

/**
 * Open a popup, and give the focus back to its button, or to what has taken the place of that, if
 * nothing was entered.
 *
 * @param {Object} popup - the service of popups
 * @param {Function} component
 * @param {Object} props
 * @returns {Promise<Object>} whether it was confirmed, and the payload
 */
export async function openPopup(popup, component, props) {
    const button = document.activeElement;
    const answer = await popup.add(component, props);
    if (!answer.confirmed) {
        const isThere = button?.isConnected && button !== document.body;
        const instead = FOCUSED_INSTEAD.map((selector) => document.querySelector(selector));
        (isThere ? button : instead.find(Boolean))?.focus();
    }
    return answer;
}
