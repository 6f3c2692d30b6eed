-- A copy of a database must not reach Vipps MobilePay, nor delete the webhook of its original.
UPDATE payment_provider
   SET state = 'disabled',
       vipps_client_id_ciphertext = NULL,
       vipps_client_secret_ciphertext = NULL,
       vipps_subscription_key_ciphertext = NULL,
       vipps_webhook_secret_ciphertext = NULL,
       vipps_webhook_id = NULL,
       vipps_webhook_url = NULL
 WHERE code = 'vipps';
