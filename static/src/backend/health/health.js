/** @odoo-module **/
/* global luxon */

import { Component } from "@odoo/owl";
import { formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { formatPercentage } from "@web/views/fields/formatters";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const { DateTime } = luxon;

/** Return the moment that lies some seconds back, for people. */
function formatAge(seconds) {
    return Number.isInteger(seconds) ? formatDateTime(DateTime.now().minus({ seconds })) : "";
}

const ALERTS = { ok: "success", off: "info", warning: "warning", error: "danger" };

/**
 * Shows what is wrong with a provider, and the numbers behind it, each of which opens its list.
 */
export class Health extends Component {
    static template = "mobilepay_vipps.Health";
    static props = { ...standardFieldProps };

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.formatAge = formatAge;
    }

    get health() {
        return this.props.record.data[this.props.name];
    }
    get alertClass() {
        return `alert alert-${ALERTS[this.health.status]}`;
    }
    get sections() {
        const health = this.health;
        const moment = (name, label) => ({ name, label, text: formatAge(health.ages[name]) });
        const count = (name, label) => ({
            name,
            label,
            text: health.counts[name],
            open: () => this.openList(name),
        });
        return [
            {
                title: _t("Connection"),
                rows: [
                    moment("last_success", _t("Last Successful Call")),
                    {
                        name: "access",
                        label: _t("Keys"),
                        help: _t("Whether Vipps MobilePay took the keys when it last answered."),
                        ...this.access,
                    },
                    {
                        name: "paused_until",
                        label: _t("Hidden at checkout until"),
                        help: _t("Vipps MobilePay did not answer several times in a row."),
                        text: health.paused_for ? formatAge(-health.paused_for) : "",
                    },
                    count("errors", _t("Errors of the Last 7 Days")),
                ],
            },
            {
                title: _t("Events"),
                rows: [
                    { name: "webhook", label: _t("Webhook"), ...this.webhook },
                    moment("last_event", _t("Last Event")),
                    count("inbox", _t("Events to Process")),
                    moment("oldest_event", _t("Oldest Waiting Event")),
                    count("failed_events", _t("Failed Events")),
                ],
            },
            {
                title: _t("Payments"),
                rows: [
                    count("open", _t("Open Payments")),
                    count("open_10_minutes", _t("Open for 10 Minutes")),
                    count("open_1_hour", _t("Open for an Hour")),
                    count("near_deadline", _t("Reservations near Their Last Day of Capture")),
                    count("near_guarantee", _t("Reservations near the End of Their Guarantee")),
                    count("differences", _t("Differences")),
                    count("unbooked", _t("Payments Not Booked")),
                ],
            },
            {
                title: _t("Settlement"),
                rows: [
                    count("settlement_entries", _t("Entries to Check")),
                    count("settlement_foreign", _t("Settled, Unknown Here")),
                    count("settlement_waiting", _t("Settled Payments Not in the Books")),
                    count("settlement_overdue", _t("Overdue Payouts")),
                ],
            },
            {
                title: _t("Last 7 Days"),
                rows: [
                    count("started", _t("Payments Started")),
                    {
                        name: "approved_share",
                        label: _t("Approved"),
                        help: _t("Of the payments of the last 7 days that came to an end."),
                        text: formatPercentage(health.approved_share),
                        open: () => this.openGraph("mobilepay_vipps.action_vipps_success_rate"),
                    },
                    {
                        name: "approval_seconds",
                        label: _t("Time to Approval"),
                        help: _t("In seconds, on average over the last 7 days."),
                        text: _t("%s s", Math.round(health.approval_seconds)),
                        open: () => this.openGraph("mobilepay_vipps.action_vipps_approval_time"),
                    },
                ],
            },
        ];
    }
    get access() {
        return {
            works: { text: _t("Accepted"), badge: "success" },
            refused: { text: _t("Refused"), badge: "danger" },
            untried: { text: _t("Not tried yet"), badge: "secondary" },
        }[this.health.access];
    }
    get webhook() {
        return this.health.has_webhook
            ? { text: _t("Registered"), badge: "success" }
            : { text: _t("Not registered"), badge: "warning" };
    }

    async openList(name) {
        const { resModel, resId } = this.props.record;
        const action = await this.orm.call(resModel, "action_vipps_open_list", [[resId], name]);
        await this.action.doAction(action);
    }
    openGraph(action) {
        return this.action.doAction(action, {
            additionalContext: { search_default_provider_id: this.props.record.resId },
        });
    }
}

registry.category("fields").add("vipps_health", { component: Health, supportedTypes: ["json"] });

const FORMATS = {
    moment: formatAge,
    percentage: formatPercentage,
    count: (number) => number,
};

/**
 * Shows one of the values in a list of providers.
 */
export class HealthValue extends Component {
    static template = "mobilepay_vipps.HealthValue";
    static props = { ...standardFieldProps, path: String, format: String };

    get text() {
        const health = this.props.record.data[this.props.name];
        const value = this.props.path.split(".").reduce(
            (values, key) => values && values[key],
            health
        );
        return FORMATS[this.props.format](value);
    }
}

registry.category("fields").add("vipps_health_value", {
    component: HealthValue,
    supportedTypes: ["json"],
    extractProps: ({ options }) => ({ path: options.path, format: options.format }),
});
