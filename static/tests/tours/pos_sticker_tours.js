/** @odoo-module **/
/* global posmodel */

import {
    addPayment,
    addTour,
    check,
    click,
    customer,
    getParam,
    lineIs,
    nextOrder,
    receiptHas,
    reload,
    see,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";
import { takePicture } from "@mobilepay_vipps/../tests/tours/take_picture";

/**
 * Let a customer scan the sticker of the till.
 */
function scanSticker(count = 1) {
    return [
        {
            content: "Let the customer scan the sticker",
            trigger: "body",
            async run() {
                for (let number = 0; number < count; number++) {
                    await fetch(`${getParam("simulator")}/control/check-ins`, {
                        mode: "no-cors",
                        method: "POST",
                        body: JSON.stringify({
                            msn: getParam("msn"),
                            qr_id: posmodel.config.vipps_sticker_number,
                        }),
                    });
                }
            },
        },
    ];
}

function pressSticker() {
    return [...click("vipps_ask_sticker"), ...lineIs("waitingCard", "scan the sticker")];
}

addTour(
    "vipps_pos_sticker",
    startOrder(),
    addPayment(),
    see("See the ways to pay", 'button[name="vipps_ask_sticker"]:contains("Sticker")'),
    pressSticker(),
    // Nothing is lost when the page is loaded again.
    reload(),
    see("Pay", ".product-screen .pay-order-button"),
    [{ content: "Pay", trigger: ".product-screen .pay-order-button" }],
    lineIs("waitingCard", "scan the sticker"),
    scanSticker(),
    lineIs("waitingCard", "Waiting for the customer to approve"),
    customer("approve"),
    lineIs("done", "Paid with Vipps"),
    validate(),
    receiptHas("Reference")
);

addTour(
    "vipps_pos_sticker_waiting",
    startOrder(),
    addPayment(),
    scanSticker(),
    see("See that a customer waits", '[name="vipps_customer_waits"]:contains("Customer waiting")'),
    takePicture("till_sticker_waiting", ".payment-screen .left-content"),
    click("vipps_ask_sticker"),
    lineIs("waitingCard", "Waiting for the customer to approve"),
    customer("approve"),
    lineIs("done", "Paid with Vipps"),
    validate()
);

addTour(
    "vipps_pos_sticker_choice",
    startOrder(),
    addPayment(),
    scanSticker(),
    see("See that a customer waits", '[name="vipps_customer_waits"]'),
    click("vipps_dismiss"),
    see("See that nobody waits", ".o_vipps_line:not(:has([name='vipps_customer_waits']))"),
    scanSticker(2),
    check(
        "See both customers",
        () => posmodel.env.services.vipps_attempts.waiting.checkIns.length === 2
    ),
    click("vipps_ask_sticker"),
    lineIs("waitingCard", "Which customer is this?"),
    see("See both", '[name="vipps_check_in"]:eq(1) button[name="vipps_choose"]'),
    takePicture("till_sticker_choice", ".payment-screen .left-content"),
    [
        {
            content: "Dismiss the first, who has left",
            trigger: '[name="vipps_check_in"]:eq(0) button[name="vipps_dismiss"]',
        },
    ],
    see(
        "See that only the second is left",
        '.o_vipps_line:has([name="vipps_check_in"]):not(:has([name="vipps_check_in"]:eq(1)))'
    ),
    click("vipps_choose"),
    lineIs("waitingCard", "Waiting for the customer to approve"),
    customer("approve"),
    lineIs("done", "Paid with Vipps"),
    validate(),
    nextOrder()
);

addTour(
    "vipps_pos_sticker_small_screen",
    startOrder(),
    addPayment(),
    scanSticker(),
    see("See that a customer waits", '[name="vipps_customer_waits"]'),
    check("Reach Has left without scrolling", () => {
        const button = document.querySelector('[name="vipps_dismiss"]');
        const { x, y, width, height } = button.getBoundingClientRect();
        return button.contains(document.elementFromPoint(x + width / 2, y + height - 1));
    }),
    click("vipps_dismiss"),
    see("See that nobody waits", ".o_vipps_line:not(:has([name='vipps_customer_waits']))")
);
