/** @odoo-module **/

import { Component, onWillStart, onWillUnmount, useState } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

const POLL_INTERVAL = 2000;

/**
 * Follows the test payment of the guide, until it is decided or the screen is left.
 */
export class GuidePayment extends Component {
    static template = "mobilepay_vipps.GuidePayment";
    static props = { ...standardWidgetProps };

    setup() {
        this.orm = useService("orm");
        this.status = useState({ steps: [], is_final: true });
        this.isLeft = false;
        onWillStart(() => this.isShown && this.update());
        onWillUnmount(() => {
            this.isLeft = true;
            clearTimeout(this.timeout);
        });
    }
    get isShown() {
        return this.props.record.data.step === "payment";
    }
    async follow() {
        const stateBefore = this.status.state;
        try {
            await this.update();
        } catch {
            // The server cannot be reached just now: the payment goes on all the same.
            this.schedule();
            return;
        }
        if (this.status.state !== stateBefore && !this.isLeft) {
            await this.props.record.model.load(); // Other buttons are needed now.
        }
    }
    async update() {
        clearTimeout(this.timeout);
        const { resModel, resId } = this.props.record;
        const status = await this.orm.silent.call(resModel, "get_payment_status", [[resId]]);
        Object.assign(this.status, status);
        this.schedule();
    }
    schedule() {
        if (!this.status.is_final && !this.isLeft) {
            this.timeout = setTimeout(() => this.follow(), POLL_INTERVAL);
        }
    }
}

registry.category("view_widgets").add("vipps_guide_payment", {
    component: GuidePayment,
    fieldDependencies: [{ name: "step", type: "selection" }],
});
