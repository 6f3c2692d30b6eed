/** @odoo-module **/

import { registry } from "@web/core/registry";
import { takePicture } from "@mobilepay_vipps/../tests/tours/take_picture";

function read(text, selector) {
    return {
        content: `Read: ${text}`,
        trigger: `${selector}:contains("${text}"):visible`,
        isCheck: true,
    };
}

registry.category("web_tour.tours").add("vipps_settlement_set_up", {
    test: true,
    steps: () => [
        ...takePicture("ledgers", ".o_action_manager"),
        {
            content: "Open the ledger",
            trigger: '.o_list_view .o_data_cell[name="msn"]',
        },
        {
            content: "Use the usual settings",
            trigger: 'button[name="action_set_up"]',
        },
        {
            content: "See the new journal, and fetch the entries",
            trigger: 'button[name="action_fetch"]',
            extra_trigger: '.o_field_widget[name="journal_id"] input:propValueContains(Vipps MobilePay)',
        },
        read("All entries are fetched and booked", ".o_notification"),
        ...takePicture("ledger", ".o_action_manager"),
        {
            content: "Check a day",
            trigger: 'button[name="action_check_day"]',
        },
        {
            content: "Check today",
            trigger: 'div[name="day"] input',
            run(actions) {
                actions.text(luxon.DateTime.now().toFormat("MM/dd/yyyy"));
                this.$anchor[0].dispatchEvent(new Event("change", { bubbles: true }));
            },
        },
        ...takePicture("check_a_day", ".modal-content"),
        {
            content: "Press Check",
            trigger: 'button[name="action_check"]',
        },
        read("is missing", ".o_notification"),
        {
            content: "See the entries",
            trigger: 'button[name="action_open_entries"]',
        },
        read("Matched", ".o_list_view .o_data_row"),
        ...takePicture("entries", ".o_action_manager:has(.o_list_view)"),
    ],
});

registry.category("web_tour.tours").add("vipps_settlement_drill_down", {
    test: true,
    steps: () => [
        read("On its way", ".o_list_view .o_data_row"),
        ...takePicture("payouts", ".o_action_manager"),
        {
            content: "Open the payout",
            trigger: '.o_list_view .o_data_cell[name="number"]',
        },
        ...takePicture("payout", ".o_action_manager:has(.o_form_view)"),
        {
            content: "Choose one of two bank lines",
            trigger: 'button[name="action_choose_bank_line"]',
        },
        ...takePicture("bank_lines", ".modal-content"),
        {
            content: "Choose the first one",
            trigger: 'button[name="action_choose"]:first',
        },
        {
            content: "See that the payout is in the bank",
            trigger: '.o_arrow_button_current[data-value="arrived"]',
            isCheck: true,
        },
        {
            content: "Open the bank line",
            trigger: 'button[name="action_open_bank_line"]',
        },
        {
            content: "See its journal entry, and go back",
            trigger: '.o_back_button a',
            extra_trigger: '.o_form_view .o_field_widget[name="line_ids"]',
        },
        {
            content: "See its entries",
            trigger: 'button[name="action_open_entries"]',
        },
        {
            content: "Open the one of a payment",
            trigger: '.o_list_view .o_data_row:contains("349.00") .o_data_cell[name="label"]',
            extra_trigger: '.o_breadcrumb:contains("Settlement Entries")',
        },
        ...takePicture("entry", ".o_action_manager:has([name=psp_reference])"),
        {
            content: "Open its order",
            trigger: 'button.oe_stat_button[name="action_open_documents"]',
        },
        {
            content: "Go back to the payout",
            trigger: '.o_form_view button[name="action_vipps_open_payouts"]',
            extra_trigger: '.o_field_widget[name="partner_id"]:visible',
        },
        read("Payout", ".o_form_view .oe_title"),
    ],
});

registry.category("web_tour.tours").add("vipps_settlement_phone", {
    test: true,
    steps: () => [
        ...takePicture("phone_payouts", ".o_web_client:has(.o_kanban_view)"),
        {
            content: "Open the payout",
            trigger: ".o_kanban_record:not(.o_kanban_ghost)",
        },
        ...takePicture("phone_payout", ".o_web_client:has(.o_form_view)"),
        read("Payout", ".o_form_view .oe_title"),
    ],
});

/**
 * Choose a file of the server, as if it were on the disk of the accountant.
 */
function upload(name) {
    return {
        content: `Choose the file ${name}`,
        trigger: '.o_field_widget[name="content"]',
        async run() {
            const answer = await fetch(`/vipps_tour/${name}`);
            const transfer = new DataTransfer();
            transfer.items.add(new File([await answer.blob()], name, { type: "text/csv" }));
            const input = this.$anchor[0].querySelector("input[type=file]");
            input.files = transfer.files;
            input.dispatchEvent(new Event("change", { bubbles: true }));
        },
    };
}

function pressImport(name) {
    return {
        content: `Import ${name}`,
        trigger: '.modal-footer button[name="action_open_files"]',
        extra_trigger: `.o_field_widget[name="content"] input:propValueContains(${name})`,
    };
}

registry.category("web_tour.tours").add("vipps_settlement_import", {
    test: true,
    steps: () => [
        {
            content: "Open the menu",
            trigger: '.o_menu_sections button:contains("Vipps MobilePay")',
            extra_trigger: ".o_action_manager .o_list_view",
        },
        {
            content: "Import a file",
            trigger: '.dropdown-item:contains("Import File")',
        },
        upload("old.csv"),
        ...takePicture("import_file", ".modal-content"),
        pressImport("old.csv"),
        read("an older kind of settlement file", ".modal-body"),
        read("export the full list as CSV or Excel", ".modal-body"),
        ...takePicture("import_refused", ".modal-content:contains(older kind)"),
        {
            content: "Close the refusal",
            trigger: '.modal-footer button:contains("Close")',
        },
        upload("entries.csv"),
        pressImport("entries.csv"),
        {
            content: "Read the file at once",
            trigger: 'button[name="action_read"]',
        },
        read("5 entries are new, and 0 were known before", ".o_form_view .alert-success"),
        ...takePicture("imported_file", ".o_action_manager:has(.o_form_view)"),
        {
            content: "See the entries",
            trigger: 'button[name="action_open_entries"]',
        },
        read("Matched", '.o_list_view .o_data_row:contains("349.00")'),
    ],
});
