/** @odoo-module **/

import { registry } from "@web/core/registry";
import { takePicture } from "@mobilepay_vipps/../tests/tours/take_picture";

function enter(name, value) {
    return {
        content: `Enter ${name}`,
        trigger: `.o_vipps_guide div[name="${name}"] input`,
        run: `text ${value}`,
    };
}

function press(name) {
    return {
        content: `Press ${name}`,
        trigger: `.modal-footer button[name="${name}"]:not([disabled])`,
    };
}

function read(text, selector = "") {
    return {
        content: `Read: ${text}`,
        trigger: `.o_vipps_guide ${selector}:contains("${text}"):visible`,
        isCheck: true,
    };
}

/**
 * Approve the test payment, as the customer does in the app.
 */
async function approve() {
    const answer = await fetch("/web/dataset/call_kw", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
            params: {
                model: "payment.provider",
                method: "search_read",
                args: [[["vipps_guide_transaction_id", "!=", false]]],
                kwargs: { fields: ["vipps_guide_transaction_id"] },
            },
        }),
    });
    const [provider] = (await answer.json()).result;
    const reference = encodeURIComponent(provider.vipps_guide_transaction_id[1]);
    const simulator = new URLSearchParams(window.location.search).get("simulator");
    await fetch(`${simulator}/control/payments/${reference}/approve`, {
        mode: "no-cors",
        method: "POST",
    });
}

registry.category("web_tour.tours").add("vipps_setup_guide", {
    test: true,
    steps: () => [
        {
            content: "Open the guide",
            trigger: '.alert button[name="action_vipps_open_guide"]',
        },
        read("Step 1 of 9"),
        ...takePicture("guide_keys", ".modal-content"),
        enter("vipps_merchant_serial_number", "123456"),
        enter("vipps_client_id", "00000000-fa4e-4000-8000-000000123456"),
        enter("vipps_client_secret", "fake-client-secret-of-123456=="),
        enter("vipps_subscription_key", "fake0subscription0key0123456001"),
        press("action_next"),
        read("These are test keys of sales unit 123456"),
        ...takePicture("guide_market", ".modal-content"),
        press("action_next"),
        read("When are customers charged?", "h2"),
        ...takePicture("guide_capture", ".modal-content"),
        {
            content: "Leave the guide half way",
            trigger: '.modal-footer button:contains("Finish Later")',
        },
        {
            content: "Wait until it is closed",
            trigger: "body:not(.modal-open)",
            isCheck: true,
        },
        {
            content: "Open it again",
            trigger: 'button.oe_stat_button[name="action_vipps_open_guide"]',
        },
        read("When are customers charged?", "h2"),
        press("action_next"),
        read("Which tills take these payments?", "h2"),
        ...takePicture("guide_tills", ".modal-content"),
        press("action_next"),
        read("Turn on instant payment updates", "h2"),
        press("action_next"),
        read("Which other ways to pay do you offer?", "h2"),
        {
            content: "Switch Express on",
            trigger: '.o_vipps_guide div[name="has_express"]:visible input',
        },
        {
            content: "Switch codes on invoices on",
            trigger: '.o_vipps_guide div[name="has_code_on_invoices"]:visible input',
        },
        ...takePicture("guide_ways", ".modal-content"),
        press("action_next"),
        read("Where are payouts booked?", "h2"),
        ...takePicture("guide_payouts", ".modal-content"),
        press("action_next"),
        read("Make a test payment", "h2"),
        press("action_start_payment"),
        {
            content: "See the code and the link, and wait for the customer",
            trigger: ".o_vipps_guide_qr",
            extra_trigger: '.o_vipps_guide_payment li:contains("Waiting for you to approve it")',
            isCheck: true,
        },
        ...takePicture("guide_payment", ".modal-content"),
        {
            content: "Approve the payment in the app",
            trigger: '.o_vipps_guide_payment a:contains("Pay in this browser")',
            run: approve,
        },
        {
            content: "See it arrive without doing anything",
            trigger: '.o_vipps_guide_payment li:contains("is paid"):has(.fa-check)',
            isCheck: true,
        },
        ...takePicture("guide_paid", ".modal-content"),
        press("action_next"),
        read("Vipps MobilePay is set up", "h2"),
        ...takePicture("guide_done", ".modal-content"),
        {
            content: "Publish it",
            trigger: '.o_vipps_guide button[name="action_publish"]',
        },
        {
            content: "See that it is published, and go to the checklist",
            trigger: '.o_vipps_guide button[name="action_open_checklist"]',
            extra_trigger: '.o_vipps_guide:not(:has(button[name="action_publish"]:visible))',
        },
        {
            content: "See the captured payment on the checklist",
            trigger: 'tr[data-item="capture_all"] .fa-check',
            isCheck: true,
        },
        ...takePicture("golive", ".o_action_manager"),
        {
            content: "See what is still to be done",
            trigger: 'tr[data-item="refund_part"]:contains("Not seen yet"):contains("Press Refund")',
            isCheck: true,
        },
    ],
});
