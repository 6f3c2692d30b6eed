-- A copy of a database must not reach Vipps MobilePay, nor delete the webhook of its original. It is
-- of the test environment: payments of production stay out of its reach, whatever keys it gets.
UPDATE payment_provider
   SET state = 'disabled',
       vipps_environment = 'test',
       vipps_client_id_ciphertext = NULL,
       vipps_client_secret_ciphertext = NULL,
       vipps_subscription_key_ciphertext = NULL,
       vipps_secondary_subscription_key_ciphertext = NULL,
       vipps_webhook_secret_ciphertext = NULL,
       vipps_webhook_id = NULL,
       vipps_webhook_url = NULL,
       vipps_webhook_previous_secrets = NULL,
       vipps_check_in_secret_ciphertext = NULL,
       vipps_check_in_webhook_id = NULL,
       vipps_check_in_webhook_url = NULL,
       vipps_foreign_webhooks = NULL,
       vipps_monitoring_token_hash = NULL
 WHERE code = 'vipps';

-- Keys that were entered and not stored yet.
DELETE FROM vipps_key_rotation;
DELETE FROM vipps_setup_guide;

DELETE FROM ir_config_parameter WHERE key = 'mobilepay_vipps.test_api_url';

-- The stickers are those of the original, and so are the customers who have scanned them.
UPDATE pos_config
   SET vipps_sticker_number = NULL,
       vipps_sticker_provider_id = NULL
 WHERE vipps_sticker_number IS NOT NULL;
UPDATE vipps_webhook_event
   SET token_ciphertext = NULL
 WHERE token_ciphertext IS NOT NULL;

-- Whoever has the URL of an open payment can approve it. What customers shared is nobody's to test
-- with.
UPDATE payment_transaction
   SET vipps_redirect_url = NULL,
       vipps_user_sub = NULL,
       vipps_user_details = NULL,
       vipps_customer_phone = NULL,
       vipps_user_info_state = CASE WHEN vipps_user_info_state IS NOT NULL THEN 'erased' END
 WHERE vipps_redirect_url IS NOT NULL
    OR vipps_user_sub IS NOT NULL
    OR vipps_user_details IS NOT NULL
    OR vipps_customer_phone IS NOT NULL
    OR vipps_user_info_state IS NOT NULL;

-- Tickets have the masked phone number on them.
UPDATE pos_payment
   SET ticket = NULL
 WHERE vipps_transaction_id IS NOT NULL
   AND ticket IS NOT NULL;
