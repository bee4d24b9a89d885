#include "cli/value.h"

#include "base/panic.h"

json_t *pgw_cli_object(void)
{
        json_t *object = json_object();

        PGW_ASSERT(object);
        return object;
}

json_t *pgw_cli_array(void)
{
        json_t *array = json_array();

        PGW_ASSERT(array);
        return array;
}

void pgw_cli_set(json_t *object, const char *name, json_t *value)
{
        PGW_ASSERT(value);
        const int rc = json_object_set_new(object, name, value);
        PGW_ASSERT(rc == 0);
}

void pgw_cli_add(json_t *array, json_t *value)
{
        PGW_ASSERT(value);
        const int rc = json_array_append_new(array, value);
        PGW_ASSERT(rc == 0);
}

void pgw_cli_set_text(json_t *object, const char *name, const char *text)
{
        if (text)
                pgw_cli_set(object, name, json_string(text));
}

void pgw_cli_replace(json_t *array, size_t index, json_t *value)
{
        PGW_ASSERT(value);
        const int rc = json_array_set_new(array, index, value);
        PGW_ASSERT(rc == 0);
}

void pgw_cli_copy(json_t *object, const char *name, const json_t *from, const char *member)
{
        json_t *value = json_object_get(from, member);

        if (value)
                pgw_cli_set(object, name, json_incref(value));
        else
                pgw_cli_set_text(object, name, "");
}
