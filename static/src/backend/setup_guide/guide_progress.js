/** @odoo-module **/

import { Component, xml } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

/**
 * The line that shows how far the guide is; the text above it says the same.
 */
export class GuideProgress extends Component {
    static template = xml`
        <div class="progress o_vipps_guide_progress" aria-hidden="true">
            <div class="progress-bar" t-attf-style="width: {{ props.record.data.progress_percent }}%"/>
        </div>`;
    static props = { ...standardWidgetProps };
}

registry.category("view_widgets").add("vipps_guide_progress", {
    component: GuideProgress,
    fieldDependencies: [{ name: "progress_percent", type: "integer" }],
});
