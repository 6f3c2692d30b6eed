/** @odoo-module **/

import { downloadFile } from "@web/core/network/download";
import { registry } from "@web/core/registry";

/** Save what the server sent as a file; it is not kept anywhere on the way. */
function download(env, action) {
    const { content, filename } = action.params;
    downloadFile(content, filename, "application/json");
}

registry.category("actions").add("vipps_download", download);
