# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

# What earlier versions told the staff of branches of the provider of their parent.
RULES = {
    'payment_provider_payment_manager_rule': (
        "[('code', '=', 'vipps')]",
        "[('code', '=', 'vipps'), ('company_id', 'in', company_ids)]",
    ),
    **dict.fromkeys(('vipps_api_call_company_rule', 'vipps_webhook_event_company_rule'), (
        "[('provider_id.company_id', 'parent_of', company_ids)]",
        "[('provider_id.company_id', 'in', company_ids)]",
    )),
    'vipps_audit_event_company_rule': (
        "[('company_id', 'parent_of', company_ids)]", "[('company_id', 'in', company_ids)]",
    ),
}


def migrate(cr, version):
    """ Keep the provider of a parent, its events, its calls and its audit trail from the staff of
    branches. A rule that somebody has changed stays.

    :param Cursor cr: The database cursor.
    :param str version: The installed version.
    :return: None
    """
    for name, (before, after) in RULES.items():
        cr.execute("""
            UPDATE ir_rule
               SET domain_force = %s
              FROM ir_model_data data
             WHERE data.module = 'mobilepay_vipps' AND data.model = 'ir.rule' AND data.name = %s
               AND data.res_id = ir_rule.id AND ir_rule.domain_force = %s
        """, [after, name, before])
