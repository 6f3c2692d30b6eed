"""Turn a database into a small Norwegian webshop with a till (run by `odoo-bin shell`)."""
env.cr.commit()
