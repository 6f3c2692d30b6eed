/** @odoo-module **/

/**
 * Take a picture of an element for the documentation, if the test asks for pictures.
 */
export function takePicture(name, selector) {
    return [
        {
            content: `Take the picture ${name}`,
            trigger: selector,
            async run() {
                if (!window.takeVippsPicture) {
                    return;
                }
                const { x, y, width, height } = this.$anchor[0].getBoundingClientRect();
                await new Promise((resolve) => {
                    window.onVippsPicture = resolve;
                    window.takeVippsPicture(
                        JSON.stringify({ name, clip: { x, y, width, height, scale: 1 } })
                    );
                });
            },
        },
    ];
}
