/** @odoo-module **/
/* global posmodel */

import {
    addPayment,
    addTour,
    askAndHide,
    check,
    click,
    customer,
    getParam,
    lineIs,
    noPopup,
    press,
    scan,
    see,
    startOrder,
    validate,
} from "@mobilepay_vipps/../tests/tours/pos_helpers";

let reference;

function rememberPayment() {
    return check("Remember the payment", () => {
        [{ vipps_reference: reference }] = posmodel.get_order().get_vipps_lines();
        return reference;
    });
}

function seeSamePayment() {
    return check("See that the customer is still asked for the same payment", () => {
        const [line] = posmodel.get_order().get_vipps_lines();
        return line.vipps_reference === reference && line.payment_status === "waitingCard";
    });
}

function pressKeys(keys) {
    return [...keys].map((key) => ({
        content: `Press the key ${key}`,
        trigger: `.o_vipps_phone_popup .numpad button:contains("${key}")`,
    }));
}

function numberIs(number) {
    return check(
        `See ${number}`,
        () => document.querySelector(".o_vipps_phone_popup input")?.value === number
    );
}

function sendAndRead(sentence) {
    return [
        ...click("vipps_send"),
        ...see(
            `Read ${sentence}`,
            `.o_vipps_phone_popup:has(input[aria-invalid="true"]) [name="vipps_error"]:contains("${sentence}"):has(.fa)`
        ),
        ...seeSamePayment(),
    ];
}

//#region The customer's phone number

addTour(
    "vipps_pos_phone",
    startOrder(),
    addPayment(),
    askAndHide(),
    rememberPayment(),
    [
        {
            content: "Press the button for another way",
            trigger: 'button[name="vipps_switch_push"]',
            run() {
                this.$anchor[0].focus();
                this.$anchor[0].click();
            },
        },
    ],
    see("See the country", '.o_vipps_phone_popup [name="vipps_prefix"]:contains("+47")'),
    pressKeys("12"),
    sendAndRead("not a phone number"),
    press("Escape"),
    noPopup(),
    check("See the button again", () => document.activeElement?.name === "vipps_switch_push"),
    seeSamePayment(),

    click("vipps_switch_push"),
    [{ content: "Type no number", trigger: ".o_vipps_phone_popup input", run: "text abc12" }],
    sendAndRead("not a phone number"),
    [{ content: "Type too much", trigger: ".o_vipps_phone_popup input", run: "text +47 1234567890" }],
    see("See no country twice", '.o_vipps_phone_popup:not(:has([name="vipps_prefix"]))'),
    sendAndRead("not a phone number"),
    [{ content: "Select all", trigger: ".o_vipps_phone_popup input", run() { this.$anchor[0].select(); } }],
    pressKeys("987654329"),
    numberIs("987654329"),
    pressKeys("⌫"),
    numberIs("98765432"),
    click("vipps_send"),
    lineIs("waitingCard", "approve in the Vipps app"),
    customer("approve"),
    lineIs("done"),
    validate()
);

//#endregion
//#region The customer's code

addTour(
    "vipps_pos_wrong_code",
    startOrder(),
    addPayment(),
    askAndHide(),
    rememberPayment(),
    click("vipps_switch_code"),
    scan(() => "7038010009857"),
    see("Read that it is none", '.o_vipps_code_popup [name="vipps_error"]:contains("not a customer\'s code")'),
    seeSamePayment(),
    scan(() => "BUN-1"),
    see("Read it again", '.o_vipps_code_popup [name="vipps_error"]'),
    seeSamePayment(),
    scan(() => getParam("code")),
    lineIs("waitingCard", "approve in the Vipps app"),
    customer("approve"),
    lineIs("done"),
    validate()
);

//#endregion
