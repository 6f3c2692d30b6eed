/** @odoo-module **/

import { addTour, getParam } from "@mobilepay_vipps/../tests/tours/pos_helpers";

function openOrder() {
    return [
        {
            content: "Open the orders of the shop",
            trigger: ".o_sale_order_button",
        },
        {
            content: "Choose the order",
            trigger: ".order-row .col.name",
            run() {
                const rows = [...document.querySelectorAll(".order-row .col.name")];
                rows.find((row) => row.textContent.includes(getParam("order"))).click();
            },
        },
    ];
}

function leftIs(amount) {
    return [
        {
            content: `See that ${amount} is left`,
            trigger: `.order-row .total:contains("left"):contains("${amount}")`,
            isCheck: true,
        },
    ];
}

function warningHas(text) {
    return [
        {
            content: `Read ${text}`,
            trigger: `.popup-confirm .modal-body:contains("${text}")`,
            isCheck: true,
        },
    ];
}

function answer(name) {
    return [
        {
            content: `Click on ${name}`,
            trigger: `.popup-confirm .button.${name}`,
        },
    ];
}

function choose(text) {
    return [
        {
            content: `Choose ${text}`,
            trigger: `.selection-item:contains("${text}")`,
        },
    ];
}

addTour(
    "vipps_pos_sale_reserved",
    openOrder(),
    warningHas("nothing is left to pay"),
    leftIs("0.00"),
    answer("cancel"),
    [
        {
            content: "See that nothing was asked",
            trigger: ".pos:not(:has(.popup)) .order-row",
            isCheck: true,
        },
    ]
);

addTour(
    "vipps_pos_sale_prepaid",
    openOrder(),
    warningHas("350.00"),
    answer("confirm"),
    choose("fixed amount"),
    [
        ...["9", "9", "9"].map((digit) => ({
            content: "Enter more than is left",
            trigger: `.popup div.numpad.row button.col:contains("${digit}")`,
        })),
        {
            content: "Take it",
            trigger: ".button.confirm",
        },
        {
            content: "Read that less is left",
            trigger: '.popup-error:contains("350.00")',
            isCheck: true,
        },
        {
            content: "Close it",
            trigger: ".popup-error .button.cancel",
        },
        {
            content: "See what is left",
            trigger: '.order-summary .total:contains("350.00"), .order-summary:contains("350.00")',
            isCheck: true,
        },
    ]
);

addTour(
    "vipps_pos_sale_other",
    openOrder(),
    choose("Settle the order"),
    [
        {
            content: "See the order",
            trigger: '.order-summary:contains("500.00")',
            isCheck: true,
        },
    ]
);
