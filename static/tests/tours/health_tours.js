/** @odoo-module **/
/* global posmodel */

import { registry } from "@web/core/registry";
import { takePicture } from "@mobilepay_vipps/../tests/tours/take_picture";
import { addTour, startOrder } from "@mobilepay_vipps/../tests/tours/pos_helpers";

registry.category("web_tour.tours").add("vipps_health", {
    test: true,
    steps: () => [
        {
            content: "Read in the list of all providers what is wrong, and open one",
            trigger: 'tr:contains("Down") td[name="vipps_verdict"]:contains("does not answer")',
        },
        {
            content: "Read what to do",
            trigger: '.o_vipps_health [data-problem="api"]:contains("comes back automatically")',
            isCheck: true,
        },
        {
            content: "Read what an error means",
            trigger: '.o_vipps_errors td:contains("can only capture the full amount")',
            isCheck: true,
        },
        ...takePicture("health", ".o_vipps_health"),
        {
            content: "On a phone, the page is as wide as the phone",
            trigger: ".o_vipps_errors",
            run() {
                const page = document.querySelector(".o_field_widget[name=vipps_health_details]");
                const sheet = page.parentElement;
                sheet.style.width = "366px";
                const isTooWide = page.offsetWidth > 366;
                sheet.style.width = "";
                if (isTooWide) {
                    throw new Error("The page is wider than a phone.");
                }
            },
        },
        {
            content: "Open what is behind the number of failed events",
            trigger: 'button[name="failed_events"]:contains("1")',
        },
        {
            content: "See the event",
            trigger: 'td[name="reference"]:contains("failed-payment")',
            isCheck: true,
        },
        {
            content: "Go back to the page",
            trigger: ".o_back_button",
        },
        {
            content: "Open the success rate",
            trigger: 'button[name="approved_share"]',
        },
        {
            content: "See it as a graph",
            trigger: ".o_graph_view canvas, .o_graph_canvas_container canvas",
            isCheck: true,
        },
    ],
});

function tell(isAvailable) {
    return [
        {
            content: `The bus tells that it is ${isAvailable ? "back" : "gone"}`,
            trigger: ".payment-screen",
            run() {
                const { id } = posmodel.payment_methods.find((method) => method.name === "Vipps");
                posmodel.env.services.pos_bus.dispatch({
                    type: "VIPPS_AVAILABILITY",
                    payload: { method_ids: [id], is_available: isAvailable },
                });
            },
        },
    ];
}

function read(content, trigger) {
    return [{ content, trigger, isCheck: true }];
}

addTour(
    "vipps_pos_availability",
    startOrder(),
    read(
        "The till that is opened meanwhile knows",
        ".paymentmethod:contains('Vipps') .o_vipps_paused"
    ),
    tell(true),
    read("The cashier is told that it is back", ".o_notification:contains('Vipps responds again')"),
    read("The hint is gone", ".paymentmethod:contains('Vipps'):not(:has(.o_vipps_paused))"),
    tell(false),
    read(
        "The cashier is told what to do",
        ".o_notification:contains('Vipps is not responding')"
    ),
    read("The hint is back", ".paymentmethod:contains('Vipps') .o_vipps_paused")
);
