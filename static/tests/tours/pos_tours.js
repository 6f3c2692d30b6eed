/** @odoo-module **/
/* global posmodel */

import * as Chrome from "@point_of_sale/../tests/tours/helpers/ChromeTourMethods";
import * as PaymentScreen from "@point_of_sale/../tests/tours/helpers/PaymentScreenTourMethods";
import * as TicketScreen from "@point_of_sale/../tests/tours/helpers/TicketScreenTourMethods";
import {
    addPayment,
    addTour,
    ask,
    click,
    customer,
    getParam,
    lineIs,
    noPaymentWith,
    noPopup,
    press,
    receiptHas,
    reload,
    scan,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";

function qrIsLarge() {
    return [
        {
            content: "See a QR code that can be scanned at arm's length",
            trigger: '.o_vipps_qr_popup img[src^="data:image/svg+xml"]',
            run() {
                const { width } = this.$anchor[0].getBoundingClientRect();
                if (width < Math.min(320, window.innerWidth * 0.8)) {
                    throw new Error(`The QR code is only ${width} wide.`);
                }
            },
        },
        {
            content: "See how much and how long",
            trigger: '.o_vipps_qr_popup:has([name="amount"]:contains("45")) [name="time_left"]:contains(":")',
            isCheck: true,
        },
    ];
}

function paidIsShown() {
    return [
        {
            content: "See a clear sign that the customer has paid",
            trigger: ".o_vipps_qr_popup .o_vipps_paid:contains('Paid')",
            isCheck: true,
        },
    ];
}

function enterPhone(number) {
    return [
        {
            content: `Enter ${number}`,
            trigger: ".o_vipps_phone_popup input",
            run: `text ${number}`,
        },
        ...click("vipps_send"),
    ];
}

function payCash(amount) {
    return [
        ...PaymentScreen.enterPaymentLineAmount("Cash", amount),
        {
            content: `See ${amount}`,
            trigger: `.paymentline.selected:contains("Cash"):contains("${amount}.00")`,
            isCheck: true,
        },
    ];
}

/**
 * Let Vipps MobilePay answer nothing any more.
 */
function outage() {
    return [
        {
            content: "Let Vipps MobilePay be down",
            trigger: "body",
            async run() {
                for (const operation of ["cancel", "get", "events"]) {
                    await fetch(`${getParam("simulator")}/control/faults`, {
                        mode: "no-cors",
                        method: "POST",
                        body: JSON.stringify({ operation, kind: "lost", times: null }),
                    });
                }
            },
        },
    ];
}

addTour(
    "vipps_pos_qr",
    startOrder(),
    addPayment(),
    click("vipps_ask_qr"),
    qrIsLarge(),
    press("Enter"),
    customer("approve"),
    paidIsShown(),
    noPopup(),
    lineIs("done", "Paid with Vipps"),
    validate(),
    receiptHas("Reference")
);

addTour(
    "vipps_pos_finish_by_itself",
    startOrder(),
    addPayment(),
    ask("qr"),
    customer("approve"),
    receiptHas("Reference")
);

addTour(
    "vipps_pos_push",
    startOrder(),
    addPayment(),
    click("vipps_ask_push"),
    enterPhone("12"),
    [
        {
            content: "Read below the number that it is none",
            trigger: '.o_vipps_phone_popup [name="vipps_error"]:contains("not a phone number")',
            isCheck: true,
        },
    ],
    enterPhone("+47 987 65 432"),
    lineIs("waitingCard", "Waiting for the customer to approve in the Vipps app"),
    customer("approve"),
    lineIs("done", "Paid with Vipps"),
    validate(),
    receiptHas("**")
);

addTour(
    "vipps_pos_code",
    startOrder(),
    addPayment(),
    click("vipps_ask_code"),
    click("vipps_camera"),
    [
        {
            content: "Read that this machine has no camera",
            trigger: '.popup-error:contains("The camera cannot be used") .button',
        },
        { content: "See what to do", trigger: ".o_vipps_code_popup", isCheck: true },
    ],
    scan(() => getParam("code")),
    scan(() => getParam("code")),
    lineIs("waitingCard", "Waiting for the customer to approve in the Vipps app"),
    noPopup(),
    customer("approve"),
    lineIs("done", "Paid with Vipps"),
    validate()
);

addTour(
    "vipps_pos_push_refused",
    startOrder(),
    addPayment(),
    click("vipps_ask_push"),
    enterPhone("987 65 432"),
    lineIs("retry", "QR"),
    [
        {
            content: "See only the QR code left",
            trigger: '.o_vipps_buttons:not(:has(button[name="vipps_ask_push"], button[name="vipps_ask_code"]))',
            isCheck: true,
        },
    ],
    PaymentScreen.clickPaymentlineDelButton("Vipps", "45.00"),
    addPayment(),
    [
        {
            content: "See no question that has one answer only",
            trigger: '.o_vipps_line[data-status="pending"]:not(:contains("want to pay")) button[name="vipps_ask_qr"]',
            isCheck: true,
        },
    ],
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    validate()
);

addTour(
    "vipps_pos_switch",
    startOrder(),
    addPayment(),
    ask("qr"),
    [
        { content: "Switch", trigger: '.o_vipps_qr_popup button[name="vipps_switch_code"]' },
        {
            content: "Paste the code of the customer",
            trigger: ".o_vipps_code_popup",
            run() {
                const clipboardData = new DataTransfer();
                clipboardData.setData("text", getParam("code"));
                document.body.dispatchEvent(
                    new ClipboardEvent("paste", { clipboardData, bubbles: true })
                );
            },
        },
    ],
    lineIs("waitingCard", "Waiting for the customer to approve in the Vipps app"),
    noPopup(),
    customer("approve"),
    lineIs("done"),
    validate()
);

addTour(
    "vipps_pos_cancel",
    startOrder(),
    addPayment(),
    ask("qr"),
    press("Escape"),
    noPopup(),
    lineIs("waitingCard", "Waiting"),
    click("vipps_show_qr"),
    [{ content: "Cancel", trigger: '.o_vipps_qr_popup button[name="vipps_cancel"]' }],
    lineIs("retry", "cancelled"),
    noPopup(),
    addPayment("Cash"),
    noPaymentWith("Vipps"),
    validate()
);

addTour(
    "vipps_pos_decline",
    startOrder(),
    addPayment(),
    ask("qr"),
    customer("decline"),
    noPopup(),
    lineIs("retry"),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    validate()
);

addTour(
    "vipps_pos_reload",
    startOrder(),
    addPayment(),
    ask("qr"),
    reload(),
    [{ content: "Open the payment screen", trigger: ".product-screen .pay-order-button" }],
    lineIs("waitingCard", "Waiting"),
    click("vipps_show_qr"),
    qrIsLarge(),
    customer("approve"),
    noPopup(),
    lineIs("done"),
    validate(),
    receiptHas("Reference")
);

addTour(
    "vipps_pos_outage",
    startOrder(),
    addPayment("Cash"),
    payCash("20"),
    addPayment(),
    ask("qr"),
    press("Escape"),
    noPopup(),
    outage(),
    PaymentScreen.clickPaymentline("Cash", "20.00"),
    payCash("45"),
    PaymentScreen.clickValidate(),
    press("Enter"),
    [
        {
            content: "Read that nobody knows what becomes of the payment",
            trigger: '.popup-confirm:contains("Finish the order without it?")',
            isCheck: true,
        },
    ],
    Chrome.confirmPopup(),
    [{ content: "See the receipt", trigger: ".receipt-screen .pos-receipt", isCheck: true }]
);

addTour(
    "vipps_pos_take_over",
    Chrome.clickMenuButton(),
    Chrome.clickTicketButton(),
    TicketScreen.selectOrder("45.00"),
    TicketScreen.loadSelectedOrder(),
    lineIs("waitingCard", "Waiting"),
    click("vipps_show_qr"),
    qrIsLarge(),
    customer("approve"),
    noPopup(),
    lineIs("done", "Paid with Vipps"),
    validate(),
    receiptHas("Reference")
);

addTour(
    "vipps_pos_given_back_elsewhere",
    startOrder(),
    addPayment(),
    ask("qr"),
    customer("approve"),
    noPopup(),
    lineIs("done", "Paid with Vipps"),
    [
        {
            content: "Let somebody else give the money back",
            trigger: "body",
            async run() {
                const [line] = posmodel.get_order().get_vipps_lines();
                await posmodel.orm.call("pos.session", "vipps_undo_attempt", [
                    [posmodel.pos_session.id],
                    line.vipps_reference,
                ]);
            },
        },
    ],
    PaymentScreen.clickBack(),
    [{ content: "Pay", trigger: ".product-screen .pay-order-button" }],
    lineIs("retry", "refunded"),
    addPayment("Cash"),
    noPaymentWith("Vipps"),
    validate()
);
