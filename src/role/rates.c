#include "role/rates.h"

/* A burst of 0 is a second's worth. */
static struct pgw_rate rate_of(uint64_t per_s, uint64_t burst)
{
        return (struct pgw_rate){.per_s = per_s, .burst = burst ? burst : per_s};
}

struct pgw_limits_conf pgw_rates_of(const struct pgw_settings *s)
{
        return (struct pgw_limits_conf){
            .requests = rate_of(s->limits_identity_per_s, s->limits_identity_burst),
            .keys = rate_of(s->limits_identity_keys_per_s, s->limits_identity_keys_burst),
            .gateway_keys = rate_of(s->limits_gateway_keys_per_s, s->limits_gateway_keys_burst),
            .address = rate_of(s->limits_address_per_s, s->limits_address_burst),
            .addresses = s->limits_addresses,
            .address_first = s->limits_address_first,
            .pattern_keys = s->limits_pattern_keys,
            .tag_keys = s->limits_tag_keys,
        };
}
