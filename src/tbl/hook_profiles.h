/* tbl/hook_profiles.h - the senders whose signatures are known, once.
 *
 * X(NAME, word, where the id of a delivery stands, unless the hook says otherwise)
 *
 * How each signs is in http/hook_signature.c; docs/webhooks.md has the same list.
 *
 * No include guard: whoever includes this defines X first.
 */
X(STANDARD, "standard", "{header:webhook-id}")
X(GITHUB, "github", "{header:x-github-delivery}")
X(STRIPE, "stripe", "{/id}")
X(SHOPIFY, "shopify", "{header:x-shopify-webhook-id}")
X(WOOCOMMERCE, "woocommerce", "{header:x-wc-webhook-delivery-id}")
X(CONTENTFUL, "contentful", "{header:x-contentful-idempotency-key}")
X(SANITY, "sanity", "{header:idempotency-key}")
X(HMAC, "hmac", "{header:idempotency-key}")
X(TOKEN, "token", "{header:idempotency-key}")
