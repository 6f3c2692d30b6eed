/** @odoo-module **/

import * as Chrome from "@point_of_sale/../tests/tours/helpers/ChromeTourMethods";
import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import {
    addPayment,
    addTour,
    approveElsewhere,
    ask,
    askAndHide,
    attemptIs,
    customer,
    emptyOrder,
    enterAmount,
    lineIs,
    nextOrder,
    noPopup,
    see,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";

//#region Restaurant

function openTable() {
    return [{ content: "Open the table", trigger: '.floor-map .table .label:contains("1")' }];
}

function leaveTable() {
    return [
        { content: "Leave the table", trigger: ".floor-button" },
        ...see("See the tables", ".floor-map"),
    ];
}

addTour(
    "vipps_pos_restaurant",
    // The guest pays while the waiter is at another table.
    openTable(),
    startOrder(),
    addPayment(),
    askAndHide(),
    PaymentScreen.clickBack(),
    leaveTable(),
    approveElsewhere(),
    see("Read that it is paid", '.o_notification:contains("has paid"):contains("45.00")'),
    openTable(),
    lineIs("done", "Paid with Vipps"),
    validate(),
    nextOrder(),

    // The guest has gone: no order of nobody is asked for.
    openTable(),
    startOrder(),
    addPayment(),
    askAndHide(),
    emptyOrder(),
    attemptIs("retry"),
    leaveTable()
);

//#endregion
//#region Cash rounding: a part in cash, which alone is rounded

function remainingIs(amount) {
    return see(`See ${amount} remaining`, `.payment-status-remaining .amount:contains("${amount}")`);
}

function payOrder() {
    return [...addPayment(), ...ask("qr"), ...customer("approve"), ...noPopup(), ...lineIs("done")];
}

function payInParts(product) {
    return [
        ...startOrder(product),
        ...addPayment("Cash"),
        ...enterAmount("Cash", "50"),
        ...payOrder(),
        ...validate(),
        ...nextOrder(),
    ];
}

addTour(
    "vipps_pos_rounding",
    // Rounded down, and rounded up.
    payInParts("Waffle"),
    payInParts("Cocoa"),

    // Cash last.
    startOrder("Waffle"),
    addPayment(),
    enterAmount("Vipps", "50"),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    addPayment("Cash"),
    remainingIs("0.00"),
    validate()
);

//#endregion
//#region Coupons, which only a browser gives

addTour(
    "vipps_pos_coupon",
    startOrder(),
    payOrder(),
    Chrome.clickMenuButton(),
    [
        { content: "Close the session", trigger: ".close-button" },
        { content: "Be sure", trigger: ".close-pos-popup .footer .button.highlight" },
        { content: "Add the payment", trigger: "button[name='vipps_attach']" },
    ],
    see(
        "Read that the till has to finish the order",
        ".o_vipps_open_payments_popup [role='status']:contains('open the order at the till')"
    ),
    [
        {
            content: "Go back",
            trigger: ".o_vipps_open_payments_popup .modal-footer button:contains('Back')",
        },
        {
            content: "Do not close",
            trigger: ".close-pos-popup .footer .button:contains('Discard')",
        },
    ],
    noPopup(),
    lineIs("done", "Paid with Vipps"),
    see("See that it can be validated", ".payment-screen .button.next.highlight")
);

//#endregion
