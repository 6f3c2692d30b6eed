/** @odoo-module **/

import { patch } from "@web/core/utils/patch";
import { BarcodeReader } from "@point_of_sale/app/barcode/barcode_reader_service";

patch(BarcodeReader.prototype, {
    /**
     * Override to keep customers' codes away from everything that parses, shows or logs barcodes.
     */
    scan(code) {
        if (this.takeCustomerCode?.(code)) {
            return Promise.resolve();
        }
        return super.scan(...arguments);
    },
});
