-- A copy of a database must not reach Vipps MobilePay, nor delete the webhook of its original.
UPDATE payment_provider
   SET state = 'disabled',
       vipps_client_id_ciphertext = NULL,
       vipps_client_secret_ciphertext = NULL,
       vipps_subscription_key_ciphertext = NULL,
       vipps_secondary_subscription_key_ciphertext = NULL,
       vipps_webhook_secret_ciphertext = NULL,
       vipps_webhook_id = NULL,
       vipps_webhook_url = NULL,
       vipps_webhook_previous_secrets = NULL,
       vipps_foreign_webhooks = NULL,
       vipps_monitoring_token_hash = NULL
 WHERE code = 'vipps';

-- Whoever has the URL of an open payment can approve it.
UPDATE payment_transaction
   SET vipps_redirect_url = NULL
 WHERE vipps_redirect_url IS NOT NULL;
