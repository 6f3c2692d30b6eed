/** @odoo-module **/
/* global posmodel */

import * as Chrome from "@point_of_sale/../tests/tours/helpers/ChromeTourMethods";
import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import * as ProductScreen from "@point_of_sale/../tests/tours/helpers/ProductScreenTourMethods";
import {
    addPayment,
    addTour,
    ask,
    askAndHide,
    attemptIs,
    check,
    click,
    confirmError,
    connection,
    customer,
    emptyOrder,
    enterAmount,
    fault,
    lineIs,
    nextOrder,
    noPaymentWith,
    noPopup,
    openOrders,
    openPayment,
    receiptHasNo,
    see,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";

/**
 * See that a line says with a color and an icon how serious it is.
 */
function lineHasSign(level, icon) {
    return see(`See that it is ${level}`, `.o_vipps_line.o_vipps_${level}:has(.${icon})`);
}

function payInCash() {
    return [...addPayment("Cash"), ...noPaymentWith("Vipps"), ...validate(), ...receiptHasNo("Vipps")];
}

//#region Another payment method after a question that came to no payment

addTour(
    "vipps_pos_other_method",
    // Declined.
    startOrder(),
    check("See the icon of the app", () => {
        const icon = document.querySelector(".paymentmethod img.o_vipps_icon");
        return icon?.src.includes("/payment.method/") && icon.naturalWidth > 1;
    }),
    addPayment(),
    ask("qr"),
    customer("decline"),
    noPopup(),
    lineIs("retry", "Nothing has been charged"),
    lineHasSign("warning", "fa-exclamation-triangle"),
    payInCash(),
    nextOrder(),

    // Expired, and never asked.
    startOrder(),
    addPayment(),
    ask("qr"),
    customer("expire"),
    noPopup(),
    lineIs("retry"),
    addPayment("Cash"),
    noPaymentWith("Vipps"),
    addPayment(),
    lineIs("pending"),
    payInCash(),
    nextOrder(),

    // Without a connection.
    startOrder(),
    addPayment(),
    connection(false),
    click("vipps_ask_qr"),
    lineIs("retry", "No internet connection. Vipps needs one; nothing was started"),
    lineHasSign("error", "fa-times-circle"),
    addPayment("Cash"),
    noPaymentWith("Vipps"),
    connection(true),
    validate(),
    receiptHasNo("Vipps"),
    nextOrder(),

    // As long as the customer is asked, the cashier decides.
    startOrder(),
    addPayment(),
    askAndHide(),
    addPayment("Cash"),
    confirmError("Cancel the payment of"),
    lineIs("waitingCard", "Waiting"),
    click("vipps_cancel"),
    lineIs("retry", "cancelled"),
    payInCash(),
    nextOrder(),

    // Refunded before the order is finished.
    startOrder(),
    addPayment(),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    click("vipps_undo"),
    see("Read what happens", '.popup-confirm:contains("Refund the payment?")'),
    Chrome.confirmPopup(),
    lineIs("retry", "The payment was refunded"),
    lineHasSign("info", "fa-undo"),
    payInCash(),
    nextOrder(),

    // The same method asks again, with the amount that is due now.
    startOrder(),
    addPayment(),
    enterAmount("Vipps", "10"),
    ask("qr"),
    customer("decline"),
    noPopup(),
    lineIs("retry"),
    addPayment(),
    check("See one line with all of it", () => {
        const lines = posmodel.get_order().get_paymentlines();
        return lines.length === 1 && lines[0].amount === 45;
    }),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    validate()
);

addTour(
    "vipps_pos_other_method_in_doubt",
    startOrder(),
    addPayment(),
    askAndHide(),
    fault("cancel", "lost", null),
    fault("get", "lost", null),
    fault("events", "lost", null),
    click("vipps_cancel"),
    lineIs("waitingCard", "Not cancelled yet"),
    lineHasSign("warning", "fa-exclamation-triangle"),
    addPayment(),
    confirmError("not known yet"),
    addPayment("Cash"),
    see("See that it is not forgotten", '.o_vipps_line[data-status="waitingCard"]'),
    PaymentScreen.clickValidate(),
    see("Read what is not known", '.popup-confirm:contains("Finish the order without it?")'),
    Chrome.confirmPopup(),
    see("See the receipt", ".receipt-screen .pos-receipt"),
    receiptHasNo("Vipps")
);

//#endregion
//#region Products that are removed while the customer pays

addTour(
    "vipps_pos_empty_order",
    startOrder(),
    addPayment(),
    askAndHide(),
    emptyOrder(),
    attemptIs("retry"),
    startOrder(),
    lineIs("retry", "The order has changed"),
    payInCash(),
    nextOrder(),

    // The customer pays at that moment.
    startOrder(),
    addPayment(),
    askAndHide(),
    fault("cancel", "approved"),
    emptyOrder(),
    see("Read that it is paid", '.popup-confirm:contains("The customer has just paid"):contains("45.00")'),
    Chrome.confirmPopup(),
    lineIs("done", "Paid with Vipps"),
    PaymentScreen.clickValidate(),
    confirmError("The order is empty"),
    PaymentScreen.clickBack(),
    openPayment(),
    click("vipps_undo"),
    Chrome.confirmPopup(),
    lineIs("retry", "The payment was refunded"),
    PaymentScreen.clickBack(),

    // It was paid before.
    startOrder(),
    addPayment(),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    emptyOrder(),
    openPayment(),
    lineIs("done"),
    openOrders(),
    see("See it among the orders", ".ticket-screen .order-row:contains('0.00')"),
    [{ content: "Go back", trigger: ".ticket-screen .discard" }],
    lineIs("done"),
    click("vipps_undo"),
    Chrome.confirmPopup(),
    lineIs("retry", "The payment was refunded")
);

addTour(
    "vipps_pos_less_products",
    startOrder(),
    PaymentScreen.clickBack(),
    startOrder(),
    addPayment(),
    askAndHide(),
    PaymentScreen.clickBack(),
    ProductScreen.pressNumpad("1"),
    attemptIs("retry"),
    openPayment(),
    addPayment(),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    validate()
);

//#endregion
//#region What a cashier sees of lines that are not selected

addTour(
    "vipps_pos_two_payments",
    startOrder(),
    addPayment(),
    enterAmount("Vipps", "20"),
    ask("qr"),
    see(
        "See that no screen reader reads each second",
        '.o_vipps_line:has([role="status"]:contains("Waiting")) [name="vipps_time_left"][aria-live="off"]'
    ),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    addPayment(),
    see(
        "See and hear that the other line is paid",
        '.o_vipps_line.o_vipps_done:has(.fa-check-circle):has([role="status"]:contains("Paid with Vipps"))'
    ),
    see("See no button that refunds the other line", '.o_vipps_done:not(:has(button))'),
    check("See that white on the green can be read", () => {
        const { color, backgroundColor } = getComputedStyle(document.querySelector(".o_vipps_done"));
        return getContrast(color, backgroundColor) >= 4.5;
    }),
    ask("qr"),
    click("vipps_hide"),
    check(
        "See that the keyboard goes on where it was",
        () => document.activeElement?.name === "vipps_show_qr"
    ),
    customer("approve"),
    check("See both paid", () => document.querySelectorAll(".o_vipps_done").length === 2),
    validate()
);

/**
 * Return the contrast of two colors, as WCAG 2.1 defines it.
 */
function getContrast(...colors) {
    const luminances = colors.map((color) => {
        const [red, green, blue] = color.match(/[\d.]+/g).map((value) => {
            const part = value / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    });
    return (Math.max(...luminances) + 0.05) / (Math.min(...luminances) + 0.05);
}

//#endregion
