/* Schemas of OpenAPI 3.0: each keyword with what fits it and what does not, what is refused when
 * it is compiled, and how violations are told. Texts are JSON with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/schema.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *json(const char *text)
{
        char *copy = strdup(text);

        assert_non_null(copy);
        for (char *c = copy; *c; c++)
                if (*c == '\'')
                        *c = '"';
        json_error_t error;
        json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        free(copy);
        if (!value)
                fail_msg("%s: %s", text, error.text);
        return value;
}

struct compiled {
        json_t *document;
        struct pgw_schemas *schemas;
        const struct pgw_schema *schema;
};

/* The schema is the document, or its member "schema" when there is one. */
static enum pgw_err try_compile(struct compiled *c, const char *text, struct pgw_fault *fault)
{
        c->document = json(text);
        c->schemas = pgw_schemas_new(c->document);
        c->schema = NULL;
        const json_t *member = json_object_get(c->document, "schema");
        return pgw_schemas_compile(c->schemas, member ? member : c->document, "POST /here", fault,
                                   &c->schema);
}

static struct compiled compile(const char *text)
{
        struct pgw_fault fault = {"", ""};
        struct compiled c;

        if (try_compile(&c, text, &fault))
                fail_msg("%s: %s", text, fault.detail);
        assert_non_null(c.schema);
        return c;
}

static void release(struct compiled *c)
{
        pgw_schemas_free(c->schemas);
        json_decref(c->document);
}

/* ---- what fits and what does not ---- */

struct rule {
        const char *schema;
        const char *good, *bad; /* lists of values */
};

static void judge(const char *text, const struct compiled *c, const json_t *value, bool expected)
{
        struct pgw_violations violations = {NULL, 0};
        const bool fits = pgw_schema_check(c->schema, value, "#", &violations);

        if (fits != expected) {
                char *shown = json_dumps(value, JSON_ENCODE_ANY);
                fail_msg("%s: %s %s", text, shown, fits ? "fits" : "does not fit");
        }
        assert_int_equal(pgw_violations_count(&violations) == 0, fits);
        /* It is the same when nobody listens. */
        assert_int_equal(pgw_schema_check(c->schema, value, "#", NULL), fits);
        pgw_violations_fini(&violations);
}

static void applies(const struct rule *rules, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct compiled c = compile(rules[i].schema);
                json_t *good = json(rules[i].good), *bad = json(rules[i].bad);
                for (size_t k = 0; k < json_array_size(good); k++)
                        judge(rules[i].schema, &c, json_array_get(good, k), true);
                for (size_t k = 0; k < json_array_size(bad); k++)
                        judge(rules[i].schema, &c, json_array_get(bad, k), false);
                json_decref(good);
                json_decref(bad);
                release(&c);
        }
}

/* All that most of the tests do. */
#define APPLIES(rules) ((void)state, applies(rules, COUNT(rules)))

static void knows_types_and_null(void **state)
{
        static const struct rule rules[] = {
            {"{}", "[1, 1.5, 'x', null, true, [], {}]", "[]"},
            {"{'type':'object'}", "[{}, {'a':1}]", "[[], 'x', 1, 1.5, true, null]"},
            {"{'type':'array'}", "[[], [1]]", "[{}, 'x', 1, 1.5, true, null]"},
            {"{'type':'string'}", "['', 'x']", "[{}, [], 1, 1.5, true, null]"},
            {"{'type':'number'}", "[0, -1, 1.5, 1e300]", "[{}, [], '1', true, null]"},
            {"{'type':'integer'}", "[0, -1, 9223372036854775807]", "[1.0, 1.5, '1', true, null]"},
            {"{'type':'boolean'}", "[true, false]", "[{}, [], 'true', 0, 1, null]"},
            {"{'type':'string','nullable':true}", "['x', null]", "[1, false, {}]"},
            {"{'nullable':true,'type':'integer'}", "[1, null]", "['x', 1.5]"},
            {"{'type':'string','nullable':false}", "['x']", "[null, 1]"},
            {"{'nullable':true}", "['x', 1, null, []]", "[]"},
            /* An enumeration has to name null itself. */
            {"{'type':'string','nullable':true,'enum':['a']}", "['a']", "[null, 'b']"},
            {"{'type':'string','nullable':true,'enum':['a',null]}", "['a', null]", "['b']"},
        };

        APPLIES(rules);
}

static void knows_bounds_of_numbers(void **state)
{
        static const struct rule rules[] = {
            {"{'minimum':3}", "[3, 3.0, 4, 1e300, '2', null, [2], true]", "[2, 2.999, -3, -1e300]"},
            {"{'minimum':3,'exclusiveMinimum':true}", "[3.001, 4, 'x']", "[3, 3.0, 2]"},
            {"{'exclusiveMinimum':true,'minimum':3}", "[3.001]", "[3]"},
            {"{'minimum':3,'exclusiveMinimum':false}", "[3]", "[2]"},
            {"{'maximum':3}", "[3, 3.0, 2, -1e300, '4', {}]", "[4, 3.001, 1e300]"},
            {"{'maximum':3,'exclusiveMaximum':true}", "[2.999, 2]", "[3, 3.0, 4]"},
            {"{'maximum':3,'exclusiveMaximum':false}", "[3]", "[4]"},
            {"{'minimum':-1.5,'maximum':1.5}", "[-1.5, 0, 1.5]", "[-1.51, 1.51]"},
        };

        APPLIES(rules);
}

/* Where a double no longer tells neighbours apart. */
static void compares_large_whole_numbers_exactly(void **state)
{
        static const struct rule rules[] = {
            {"{'maximum':9007199254740992}", "[9007199254740992]", "[9007199254740993]"},
            {"{'minimum':9007199254740993}", "[9007199254740993]", "[9007199254740992]"},
            {"{'maximum':9223372036854775806}", "[9223372036854775806]", "[9223372036854775807]"},
        };

        APPLIES(rules);
}

static void knows_multiples(void **state)
{
        static const struct rule rules[] = {
            {"{'multipleOf':3}", "[0, 3, -3, 9.0, 3000000, 'x']", "[1, 4, -2, 3.5, 2.9999]"},
            {"{'multipleOf':1.5}", "[0, 1.5, 3, -4.5]", "[1, 2, 1.6]"},
            {"{'multipleOf':0.01}", "[0, 0.01, 4.02, 19.99, 1]", "[0.005, 1.001, 19.995]"},
        };

        APPLIES(rules);
}

static void knows_multiples_of_large_whole_numbers(void **state)
{
        static const struct rule rules[] = {
            {"{'multipleOf':10}", "[1000000000, 10000000000]", "[1000000001, 10000000001]"},
            {"{'multipleOf':2}", "[9007199254740992]", "[9007199254740993]"},
            {"{'multipleOf':1000}", "[1000000000000]", "[1000000000001]"},
        };

        APPLIES(rules);
}

static void knows_formats(void **state)
{
        static const struct rule rules[] = {
            {"{'format':'int32'}", "[2147483647, -2147483648, 0, 'x']",
             "[2147483648, -2147483649, 9223372036854775807, 1e300]"},
            {"{'type':'integer','format':'int64'}", "[9223372036854775807, -1]", "[1.5, 1e300]"},
            {"{'format':'float'}", "[3.4e38, -3.4e38, 0, 'x']", "[3.5e38, -3.5e38, 1e300]"},
            {"{'type':'number','format':'double'}", "[1e300, 1]", "['x']"},
            {"{'format':'byte'}", "['', 'Zg==', 'Zm8=', 'Zm9v', '+/+/', 'Zm9vYg==', 1]",
             "['Zg', 'Zg=', 'Z===', '====', '=', 'Zm9v ', 'Zm9v\\n', '-__-', 'Zg==Zg==', "
             "'Zm9\\u0000']"},
            /* The others are annotations. */
            {"{'allOf':[{'format':'binary'},{'format':'date'},{'format':'date-time'},"
             "{'format':'password'},{'format':'email'},{'format':'hostname'},{'format':'ipv4'},"
             "{'format':'ipv6'},{'format':'uri'},{'format':'uri-reference'},{'format':'uuid'}]}",
             "['\\u0000','not one',1,null]", "[]"},
        };

        APPLIES(rules);
}

static void counts_characters_by_code_points(void **state)
{
        static const struct rule rules[] = {
            {"{'maxLength':2}",
             "['', 'ab', '\xc3\xa4\xc3\xa4', '\\ud83d\\udca9\\ud83d\\udca9', 333]",
             "['abc', '\xc3\xa4\xc3\xa4\xc3\xa4', 'a\\u0000b']"},
            {"{'minLength':2}", "['ab', '\xe2\x82\xac\xe2\x82\xac', 'a\\u0000', 1]",
             "['', 'a', '\xc3\xa4', '\xe2\x82\xac', '\\ud83d\\udca9']"},
            {"{'minLength':1,'maxLength':1}", "['x', '\xf0\x9f\x92\xa9', '\\u0000']", "['', 'xy']"},
            {"{'maxLength':0}", "['']", "['x', '\\u0000']"},
        };

        APPLIES(rules);
}

static void knows_patterns(void **state)
{
        static const struct rule rules[] = {
            {"{'pattern':'^a+$'}", "['a', 'aaa', 1, null]", "['', 'b', 'ab', 'a\\n', '\\na']"},
            {"{'pattern':'b'}", "['b', 'abc', '\\nb']", "['', 'ac', 'B']"},
            {"{'pattern':'^[0-9]{3}$'}", "['123']", "['12', '1234', '\\u0661\\u0662\\u0663']"},
            {"{'pattern':'^.$'}", "['x', '\xc3\xa4', '\xf0\x9f\x92\xa9']", "['', 'xy']"},
            {"{'pattern':'^a.b$'}", "['a\\u0000b']", "['a\\u0000', 'ab']"},
            {"{'pattern':'^\\\\u00e4$'}", "['\xc3\xa4']", "['a', 'u00e4']"},
            /* What would take for ever does not match. */
            {"{'pattern':'^(a+)+$'}", "['aaaaaaaa']",
             "['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab']"},
        };

        APPLIES(rules);
}

static void knows_items(void **state)
{
        static const struct rule rules[] = {
            {"{'items':{'type':'string'}}", "[[], ['a', 'b'], 'x', {}]", "[[1], ['a', 1], [null]]"},
            {"{'items':{'items':{'maximum':3}}}", "[[[3]],[],[[]],[3,4]]", "[[[4]],[[1],[4]]]"},
            {"{'minItems':2}", "[[1, 2], [1, 2, 3], 'x', {}]", "[[], [1]]"},
            {"{'maxItems':2}", "[[], [1, 2], 'xyz', {'a':1,'b':2,'c':3}]", "[[1, 2, 3]]"},
        };

        APPLIES(rules);
}

/* Few items are compared with each other, more than eight by their hashes. */
static void knows_repetitions(void **state)
{
        static const struct rule rules[] = {
            {"{'uniqueItems':true}",
             "[[], [1], [1, 2], [1, '1'], [1, true], [0, false], [null, false], ['a', 'A'], [[1],"
             " [1, 1]], [{'a':1}, {'a':2}], [{'a':1}, {'b':1}], [{}, []], [[1, 2], [2, 1]], 'aa']",
             "[[1, 1], [1, 2, 1], [1, 1.0], ['a', 'a'], [null, null], [[1], [1]], [[1], [1.0]],"
             " [{}, {}], [{'a':1,'b':2}, {'b':2,'a':1}], [0, -0.0], ['a\\u0000b', 'a\\u0000b']]"},
            {"{'uniqueItems':false}", "[[1, 1]]", "[]"},
            {"{'uniqueItems':true}", "[[1,2,3,4,5,6,7,8], [1,2,3,4,5,6,7,8,9]]",
             "[[1,2,3,4,5,6,7,1], [1,2,3,4,5,6,7,8,1], [1,2,3,4,5,6,7,8,8], [1,1,2,3,4,5,6,7,8]]"},
            {"{'uniqueItems':true}",
             "[[1,'1',true,null,[1],['1'],{'a':1},{'a':'1'},{'b':1},[[1]],'a',false]]",
             "[[0,1,2,3,4,5,6,7,'x',7.0], [0,1,2,3,4,5,6,7,-0.0], [0,1,2,3,4,5,6,7,[1],[1.0]],"
             "[0,1,2,3,4,5,6,7,{'a':1,'b':[2]},{'b':[2.0],'a':1}], [0,1,2,3,4,5,6,7,null,null],"
             "['a','b','c','d','e','f','g','h','i','e']]"},
        };

        APPLIES(rules);
}

/* Different values may have one hash, and stand between two that are the same. */
static void finds_repetitions_among_values_of_one_hash(void **state)
{
        static const struct rule rules[] = {
            {"{'uniqueItems':true}", "[['',[],1,2,3,4,5,6,7]]", "[['',[],'',1,2,3,4,5,6]]"},
            {"{'uniqueItems':true}", "[[9007199254740992,9007199254740993,1,2,3,4,5,6,7]]",
             "[[9007199254740992,9007199254740993,9007199254740992,1,2,3,4,5,6]]"},
        };

        APPLIES(rules);
}

static void knows_members(void **state)
{
        static const struct rule rules[] = {
            {"{'properties':{'a':{'type':'string'}}}",
             "[{}, {'a':'x'}, {'b':1}, {'a':'x','b':1}, 1]", "[{'a':1}, {'a':null}]"},
            {"{'required':['a']}", "[{'a':1},{'a':null,'b':2},'x',[]]", "[{},{'b':1},{'A':1}]"},
            {"{'required':['a','b']}", "[{'b':1,'a':2}]", "[{'a':1}, {'b':1}]"},
            {"{'properties':{'a':{}},'required':['a','b']}", "[{'a':1,'b':2}]",
             "[{'a':1}, {'b':2}]"},
            {"{'properties':{'a':{}},'additionalProperties':false}", "[{}, {'a':1}, []]",
             "[{'b':1}, {'a':1,'b':1}, {'':1}]"},
            {"{'additionalProperties':false}", "[{}]", "[{'a':1}]"},
            /* That a member is required does not say that it is known. */
            {"{'required':['a'],'additionalProperties':false}", "[]", "[{}, {'a':1}]"},
            {"{'properties':{'a':{}},'additionalProperties':true}", "[{'b':1}]", "[]"},
            {"{'properties':{'a':{}},'additionalProperties':{'type':'integer'}}",
             "[{'a':'x'}, {'a':'x','b':1}]", "[{'b':'x'}, {'a':1,'b':1,'c':'x'}]"},
            {"{'minProperties':2}", "[{'a':1,'b':2}, [], 'x']", "[{}, {'a':1}]"},
            {"{'maxProperties':1}", "[{}, {'a':1}, [1, 2]]", "[{'a':1,'b':2}]"},
            {"{'properties':{'a':{'properties':{'b':{'maximum':3}}}}}", "[{'a':{'b':3}}, {'b':4}]",
             "[{'a':{'b':4}}]"},
        };

        APPLIES(rules);
}

static void knows_enumerations(void **state)
{
        static const struct rule rules[] = {
            {"{'enum':['a','b']}", "['a', 'b']", "['', 'A', 'c', null, 1, ['a']]"},
            {"{'enum':[1]}", "[1, 1.0]", "['1', true, 2]"},
            {"{'enum':[null,false,0]}", "[null, false, 0, -0.0]", "['', true, [], {}]"},
            {"{'enum':[[1,2],{'a':1,'b':2}]}", "[[1, 2], [1.0, 2], {'b':2,'a':1}]",
             "[[2, 1], [1], [1, 2, 3], {'a':1}, {'a':1,'b':2,'c':3}, {'a':1,'c':2}]"},
        };

        APPLIES(rules);
}

static void knows_combinations(void **state)
{
        static const struct rule rules[] = {
            {"{'allOf':[{'minimum':2},{'maximum':4}]}", "[2, 4, 'x']", "[1, 5]"},
            {"{'anyOf':[{'type':'string'},{'maximum':4}]}", "['x', 4, null]", "[5]"},
            {"{'anyOf':[{'minimum':3},{'minimum':2}]}", "[2, 3, 9]", "[1]"},
            {"{'oneOf':[{'minimum':2},{'maximum':4}]}", "[1, 5]", "[2, 3, 4, 'x']"},
            {"{'oneOf':[{'type':'string'},{'type':'integer'}]}", "['x', 1]", "[1.5, null]"},
            {"{'not':{'type':'string'}}", "[1, null, {}]", "['', 'x']"},
            {"{'not':{}}", "[]", "[1, null]"},
            {"{'not':{'not':{'type':'string'}}}", "['x']", "[1]"},
            {"{'type':'integer','allOf':[{'minimum':2}],'not':{'enum':[3]}}", "[2,4]", "[1,3,2.5]"},
            {"{'allOf':[{'anyOf':[{'enum':[1]},{'enum':[2]}]},{'not':{'enum':[2]}}]}", "[1]",
             "[2, 3]"},
            {"{'anyOf':[{'required':['a']},{'required':['b']}]}", "[{'a':1}, {'b':1}]",
             "[{}, {'c':1}]"},
        };

        APPLIES(rules);
}

static void follows_references(void **state)
{
        static const struct rule rules[] = {
            {"{'schema':{'$ref':'#/x'},'x':{'type':'string'}}", "['a']", "[1]"},
            {"{'schema':{'$ref':'#/x'},'x':{'$ref':'#/y/z'},'y':{'z':{'enum':[1]}}}", "[1]", "[2]"},
            {"{'schema':{'$ref':'#/x','maximum':3},'x':{'minimum':2}}", "[2, 4]", "[1]"},
            {"{'schema':{'items':{'$ref':'#/x'}},'x':{'enum':[1]}}", "[[1, 1]]", "[[2]]"},
            {"{'schema':{'$ref':'#/a~1b'},'a/b':{'enum':[1]}}", "[1]", "[2]"},
            {"{'schema':{'$ref':'#/a~0b'},'a~b':{'enum':[1]}}", "[1]", "[2]"},
            {"{'schema':{'$ref':'#/a~01b'},'a~1b':{'enum':[1]},'a/b':{}}", "[1]", "[2]"},
            {"{'schema':{'$ref':'#/a%20b%25'},'a b%':{'enum':[1]}}", "[1]", "[2]"},
            {"{'schema':{'$ref':'#/x/1'},'x':[{},{'enum':[1]}]}", "[1]", "[2]"},
            {"{'schema':{'$ref':'#/'},'':{'enum':[1]}}", "[1]", "[2]"},
            {"{'properties':{'$ref':{'enum':[1]}}}", "[{'$ref':1}]", "[{'$ref':2}]"},
            {"{'enum':[{'$ref':'#/nowhere'}]}", "[{'$ref':'#/nowhere'}]", "[1]"},
            /* Cycles. */
            {"{'items':{'$ref':'#'},'type':'array'}", "[[], [[], [[]]]]", "[1, [1], [[], [[1]]]]"},
            {"{'schema':{'$ref':'#/t'},'t':{'type':'object','properties':{'l':{'$ref':'#/t'},"
             "'r':{'$ref':'#/t'},'v':{'type':'integer'}},'additionalProperties':false}}",
             "[{}, {'v':1,'l':{'v':2},'r':{'l':{'r':{}}}}]",
             "[{'v':'x'}, {'l':{'r':{'v':'x'}}}, {'r':{'l':{'x':1}}}]"},
            {"{'schema':{'$ref':'#/a'},'a':{'properties':{'b':{'$ref':'#/b'}}},"
             "'b':{'type':'object','properties':{'a':{'$ref':'#/a'}}}}",
             "[{'b':{'a':{'b':{}}}}]", "[{'b':1}, {'b':{'a':{'b':1}}}]"},
        };

        APPLIES(rules);
}

/* ---- what is refused ---- */

/* Schemas, and what the words of each one's fault hold. */
struct refused {
        const char *words;
        const char *schemas[12];
};

static void refuses(const struct refused *cases, size_t count)
{
        for (size_t i = 0; i < count; i++)
                for (size_t k = 0; cases[i].schemas[k]; k++) {
                        struct pgw_fault fault = {"", ""};
                        struct compiled c;
                        const enum pgw_err err = try_compile(&c, cases[i].schemas[k], &fault);
                        if (err != PGW_E_CONTRACT || !strstr(fault.detail, cases[i].words))
                                fail_msg("%s: %s, %s", cases[i].schemas[k], pgw_err_name(err),
                                         fault.detail);
                        assert_string_equal(fault.pointer, "POST /here");
                        release(&c);
                }
}

#define REFUSES(cases) ((void)state, refuses(cases, COUNT(cases)))

static void refuses_keywords_that_it_does_not_enforce(void **state)
{
        static const struct refused cases[] = {
            {"'frobnicate'", {"{'frobnicate':1}"}},
            {"'patternProperties'", {"{'patternProperties':{}}"}},
            {"'dependencies'", {"{'dependencies':{}}"}},
            {"'discriminator'", {"{'discriminator':{'propertyName':'a'}}"}},
            {"'definitions'", {"{'definitions':{}}"}},
            {"'Type'", {"{'Type':'string'}"}},
            {"'maxlength'", {"{'maxlength':1}"}},
            {"''", {"{'':1}"}},
            {"'const'",
             {"{'const':1}", "{'properties':{'a':{'const':1}}}", "{'items':{'const':1}}",
              "{'additionalProperties':{'const':1}}", "{'allOf':[{},{'const':1}]}",
              "{'anyOf':[{'const':1}]}", "{'oneOf':[{'const':1}]}", "{'not':{'const':1}}",
              "{'schema':{'$ref':'#/x'},'x':{'const':1}}"}},
        };
        static const struct rule annotated = {
            "{'title':'t','description':'d','default':1,'example':2,'deprecated':true,'x-':1,"
            "'readOnly':true,'writeOnly':false,'externalDocs':{},'xml':{},'x-a':{'const':1}}",
            "[1, 'x']", "[]"};

        REFUSES(cases);
        applies(&annotated, 1);
}

static void refuses_keywords_of_the_wrong_kind(void **state)
{
        static const struct refused cases[] = {
            {"mapping", {"1", "[]", "{'properties':{'a':true}}", "{'oneOf':[1]}", "{'not':[]}"}},
            {"`type`",
             {"{'type':'null'}", "{'type':'String'}", "{'type':['string','null']}", "{'type':1}"}},
            {"`nullable`", {"{'nullable':'true'}"}},
            {"`enum`", {"{'enum':[]}", "{'enum':'a'}"}},
            {"`format`",
             {"{'format':'int128'}", "{'format':''}", "{'format':'INT32'}", "{'format':3}",
              "{'items':{'format':'x'}}"}},
            {"`maximum`", {"{'maximum':'1'}"}},
            {"`minimum`", {"{'minimum':null}"}},
            {"`exclusiveMaximum`", {"{'exclusiveMaximum':3}"}},
            {"`exclusiveMinimum`", {"{'exclusiveMinimum':3}"}},
            {"`multipleOf`", {"{'multipleOf':0}", "{'multipleOf':-1}", "{'multipleOf':'1'}"}},
            {"whole number",
             {"{'maxLength':-1}", "{'minLength':1.5}", "{'maxItems':'1'}", "{'minItems':null}",
              "{'maxProperties':true}", "{'minProperties':-1}"}},
            {"`pattern`", {"{'pattern':1}"}},
            {"at offset 2", {"{'pattern':'a('}"}},
            {"at offset 1", {"{'pattern':'['}"}},
            {"`items`", {"{'items':[{}]}", "{'items':true}"}},
            {"`uniqueItems`", {"{'uniqueItems':1}"}},
            {"`properties`", {"{'properties':[]}"}},
            {"`required`", {"{'required':[]}", "{'required':true}", "{'required':[1]}"}},
            {"`additionalProperties`", {"{'additionalProperties':1}"}},
            {"allOf", {"{'allOf':[]}", "{'anyOf':{}}"}},
        };

        REFUSES(cases);
}

static void refuses_references_that_lead_nowhere(void **state)
{
        static const struct refused cases[] = {
            {"leads nowhere",
             {"{'$ref':'#/nowhere'}", "{'$ref':'#nowhere'}", "{'$ref':''}",
              "{'$ref':'other.yaml#/x'}", "{'$ref':1}", "{'schema':{'$ref':'#/x/2'},'x':[{},{}]}",
              "{'schema':{'$ref':'#/x/a'},'x':[{},{}]}", "{'schema':{'$ref':'#/x/y'},'x':1}",
              "{'schema':{'items':{'properties':{'a':{'$ref':'#/nowhere'}}}}}"}},
            {"'#/nowhere'", {"{'$ref':'#/nowhere'}"}},
            {"mapping", {"{'schema':{'$ref':'#/x'},'x':1}"}},
            {"leads to itself",
             {"{'$ref':'#'}", "{'schema':{'$ref':'#/schema'}}",
              "{'schema':{'$ref':'#/a'},'a':{'$ref':'#/b'},'b':{'$ref':'#/a'}}"}},
        };

        REFUSES(cases);
}

static void refuses_again_what_it_refused(void **state)
{
        static const char *const cases[] = {"{'const':1}", "{'allOf':[{},1]}", "{'$ref':'#/x'}"};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct compiled c;
                assert_int_equal(try_compile(&c, cases[i], NULL), PGW_E_CONTRACT);
                assert_int_equal(
                    pgw_schemas_compile(c.schemas, c.document, "again", NULL, &c.schema),
                    PGW_E_CONTRACT);
                release(&c);
        }
}

/* ---- depth ---- */

static void bounds_the_depth_of_a_cycle(void **state)
{
        struct compiled c = compile("{'items':{'$ref':'#'}}");
        struct compiled endless = compile("{'allOf':[{'$ref':'#'}]}");
        json_t *value = json_array();

        (void)state;
        for (int depth = 1; depth <= PGW_SCHEMA_DEPTH_MAX; depth++) {
                judge("a cycle", &c, value, true);
                value = json_pack("[o]", value);
        }
        judge("a cycle", &c, value, false);
        json_decref(value);
        value = json_integer(1);
        judge("a schema of itself", &endless, value, false);
        json_decref(value);
        release(&endless);
        release(&c);
}

/* ---- violations ---- */

struct told {
        const char *pointer, *words;
};

/* All of them and no others, in any order. */
static void tells(const char *schema, const char *value_text, const char *root,
                  const struct told *expected, size_t count)
{
        struct pgw_violations violations = {NULL, 0};
        struct compiled c = compile(schema);
        json_t *value = json(value_text);

        assert_false(pgw_schema_check(c.schema, value, root, &violations));
        for (size_t i = 0; i < count; i++) {
                bool found = false;
                for (size_t k = 0; k < pgw_violations_count(&violations); k++) {
                        const struct pgw_violation *v = pgw_violations_at(&violations, k);
                        found |= !strcmp(v->pointer, expected[i].pointer) &&
                                 strstr(v->detail, expected[i].words);
                }
                if (!found)
                        fail_msg("not told: %s %s; first: %s %s", expected[i].pointer,
                                 expected[i].words, pgw_violations_at(&violations, 0)->pointer,
                                 pgw_violations_at(&violations, 0)->detail);
        }
        assert_int_equal(pgw_violations_count(&violations), count);
        pgw_violations_fini(&violations);
        json_decref(value);
        release(&c);
}

static void tells_every_violation(void **state)
{
        static const struct told expected[] = {
            {"#", "the member `name` is missing"},
            {"#", "the member `size` is missing"},
            {"#", "has 3 members; at most 2 are allowed"},
            {"#/extra", "is not a member that is known here"},
            {"#/keys", "has 5 items; at most 4 are allowed"},
            {"#/keys", "items 0 and 4 are the same"},
            {"#/keys/1", "must be a string"},
            {"#/keys/2", "has 4 characters; at most 3 are allowed"},
            {"#/keys/2", "does not match the pattern ^[ab]+$"},
            {"#/keys/3", "has 0 characters; at least 1 are needed"},
            {"#/keys/3", "does not match the pattern ^[ab]+$"},
            {"#/lane", "must be one of \"high\", \"low\", 3"},
        };

        (void)state;
        tells("{'type':'object','required':['keys','name','size'],'maxProperties':2,"
              "'additionalProperties':false,'properties':{'keys':{'type':'array','maxItems':4,"
              "'uniqueItems':true,'items':{'type':'string','minLength':1,'maxLength':3,"
              "'pattern':'^[ab]+$'}},'lane':{'enum':['high','low',3]},'name':{},'size':{}}}",
              "{'keys':['a',1,'abcd','','a'],'lane':'mid','extra':1}", "#", expected,
              COUNT(expected));
}

static void tells_each_kind_in_its_words(void **state)
{
        static const struct {
                const char *schema, *value, *words;
        } cases[] = {{"{'type':'object'}", "1", "must be an object"},
                     {"{'type':'array'}", "1", "must be an array"},
                     {"{'type':'number'}", "'x'", "must be a number"},
                     {"{'type':'integer'}", "1.5", "must be a whole number"},
                     {"{'type':'boolean'}", "1", "must be true or false"},
                     {"{'type':'string','nullable':true}", "1", "must be a string"},
                     {"{'maximum':3}", "4", "must be at most 3"},
                     {"{'maximum':3,'exclusiveMaximum':true}", "3", "must be below 3"},
                     {"{'minimum':3}", "2", "must be at least 3"},
                     {"{'minimum':3,'exclusiveMinimum':true}", "3", "must be above 3"},
                     {"{'multipleOf':2.5}", "3", "must be a multiple of 2.5"},
                     {"{'format':'int32'}", "2147483648", "must fit 32 bits"},
                     {"{'format':'float'}", "1e300", "single-precision"},
                     {"{'format':'byte'}", "'Z'", "base64"},
                     {"{'minItems':1}", "[]", "has 0 items; at least 1 are needed"},
                     {"{'minProperties':1}", "{}", "has 0 members; at least 1 are needed"},
                     {"{'anyOf':[{'maximum':1},{'maximum':2}]}", "3", "fits none of the forms"},
                     {"{'oneOf':[{'maximum':1},{'maximum':2}]}", "3", "fits 0 of the forms"},
                     {"{'oneOf':[{'maximum':1},{'maximum':2}]}", "0", "fits 2 of the forms"},
                     {"{'not':{}}", "1", "has a form that is not allowed"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct told expected = {"#", cases[i].words};
                tells(cases[i].schema, cases[i].value, "#", &expected, 1);
        }
}

static void names_a_bound_in_full(void **state)
{
        const struct told most = {"#", "must be at most 2147483646"};
        const struct told least = {"#", "must be at least 1234567"};

        (void)state;
        tells("{'maximum':2147483646}", "2147483647", "#", &most, 1);
        tells("{'minimum':1234567}", "1", "#", &least, 1);
}

static void points_with_escapes(void **state)
{
        static const struct {
                const char *value, *root, *pointer;
        } cases[] = {{"{'a/b':1}", "#", "#/a~1b"},
                     {"{'a~b':1}", "#", "#/a~0b"},
                     {"{'~1':1}", "#", "#/~01"},
                     {"{'//~~':1}", "#", "#/~1~1~0~0"},
                     {"{'':1}", "#", "#/"},
                     {"{'a b':1}", "#", "#/a%20b"},
                     {"{'%':1}", "#", "#/%25"},
                     {"{'\\\"#^':1}", "#", "#/%22%23%5E"},
                     {"{'\xc3\xa4':1}", "#", "#/%C3%A4"},
                     {"{'\\u007f\\n':1}", "#", "#/%7F%0A"},
                     {"{'a':{'/':{'~':1}}}", "#", "#/a/~1/~0"},
                     {"[['x', 1]]", "#", "#/0/1"},
                     {"{'a':['x','x','x','x','x','x','x','x','x','x',{'b':1}]}", "#", "#/a/10/b"},
                     {"1", "#/query/wait", "#/query/wait"},
                     {"[1]", "#/query/wait", "#/query/wait/0"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct told expected = {cases[i].pointer, "must be at most 0"};
                tells("{'items':{'$ref':'#'},'additionalProperties':{'$ref':'#'},'maximum':0}",
                      cases[i].value, cases[i].root, &expected, 1);
        }
}

static void points_at(const json_t *value, char out[PGW_VIOLATION_POINTER])
{
        struct compiled c =
            compile("{'items':{'$ref':'#'},'additionalProperties':{'$ref':'#'},'maximum':0}");
        struct pgw_violations violations = {NULL, 0};

        assert_false(pgw_schema_check(c.schema, value, "#", &violations));
        assert_int_equal(pgw_violations_count(&violations), 1);
        const char *pointer = pgw_violations_at(&violations, 0)->pointer;
        assert_non_null(memchr(pointer, '\0', PGW_VIOLATION_POINTER));
        memcpy(out, pointer, PGW_VIOLATION_POINTER);
        assert_string_equal(pgw_violations_at(&violations, 0)->detail, "must be at most 0");
        pgw_violations_fini(&violations);
        release(&c);
}

/* A name that is longer than a pointer is cut, but not inside an escape. */
static void cuts_long_names_between_escapes(void **state)
{
        static const struct {
                char letter;
                const char *escape;
        } cases[] = {{'k', "k"}, {'~', "~0"}, {'/', "~1"}, {' ', "%20"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                for (size_t size = 1; size < 300; size++) {
                        const size_t unit = strlen(cases[i].escape);
                        char name[300], pointer[PGW_VIOLATION_POINTER];
                        memset(name, cases[i].letter, size);
                        name[size] = '\0';
                        json_t *value = json_pack("{s:i}", name, 1);
                        points_at(value, pointer);
                        json_decref(value);
                        assert_memory_equal(pointer, "#/", 2);
                        const size_t n = strlen(pointer + 2);
                        assert_int_equal(n % unit, 0);
                        assert_in_range(n / unit, size < 40 ? size : 40, size);
                        for (size_t k = 0; k < n; k += unit)
                                assert_memory_equal(pointer + 2 + k, cases[i].escape, unit);
                }
}

static void cuts_long_ways(void **state)
{
        json_t *value = json_integer(1);

        (void)state;
        for (size_t depth = 1; depth < 60; depth++) {
                char pointer[PGW_VIOLATION_POINTER];
                value = json_pack("{s:o}", "ab", value);
                points_at(value, pointer);
                const size_t whole = 1 + 3 * depth, n = strlen(pointer);
                assert_in_range(n, whole < 90 ? whole : 90, whole);
                for (size_t i = 1; i < n; i += 3)
                        assert_memory_equal(pointer + i, "/ab", 3);
        }
        json_decref(value);
}

static void tells_no_more_than_the_bound(void **state)
{
        struct compiled c = compile("{'items':{'maximum':0}}");
        struct pgw_violations violations = {NULL, 0};
        json_t *value = json_array();

        (void)state;
        assert_int_equal(PGW_VIOLATIONS_MAX, 50);
        for (size_t n = 1; n <= 60; n++) {
                json_array_append_new(value, json_integer(1));
                assert_false(pgw_schema_check(c.schema, value, "#", &violations));
                assert_int_equal(pgw_violations_count(&violations), n < 50 ? n : 50);
                if (n < 60)
                        pgw_violations_fini(&violations);
        }
        assert_string_equal(pgw_violations_at(&violations, 49)->pointer, "#/49");
        pgw_violations_add(&violations, "#/more", "%s", "left out");
        assert_int_equal(pgw_violations_count(&violations), 50);
        assert_string_equal(pgw_violations_at(&violations, 49)->pointer, "#/49");
        pgw_violations_fini(&violations);
        assert_int_equal(pgw_violations_count(&violations), 0);
        json_decref(value);
        release(&c);
}

static void takes_violations_from_elsewhere(void **state)
{
        struct pgw_violations violations = {NULL, 0};
        char text[400];

        (void)state;
        pgw_violations_add(&violations, "#/query", "'%s' is %d", "a", 7);
        assert_string_equal(pgw_violations_at(&violations, 0)->pointer, "#/query");
        assert_string_equal(pgw_violations_at(&violations, 0)->detail, "'a' is 7");
        memset(text, 'x', sizeof text);
        text[sizeof text - 1] = '\0';
        pgw_violations_add(&violations, text, "%s", text);
        assert_int_equal(strlen(pgw_violations_at(&violations, 1)->pointer),
                         PGW_VIOLATION_POINTER - 1);
        assert_int_equal(strlen(pgw_violations_at(&violations, 1)->detail),
                         PGW_VIOLATION_DETAIL - 1);
        assert_int_equal(pgw_violations_count(&violations), 2);
        pgw_violations_fini(&violations);
}

static void says_how_a_value_is_written(void **state)
{
        static const struct {
                const char *schema;
                bool integer, boolean;
        } cases[] = {
            {"{'type':'integer'}", true, false},
            {"{'type':'integer','nullable':true}", true, false},
            {"{'type':'boolean'}", false, true},
            {"{}", false, false},
            {"{'schema':{'$ref':'#/x'},'x':{'$ref':'#/y'},'y':{'type':'integer'}}", true, false},
            {"{'schema':{'$ref':'#/x'},'x':{'type':'boolean'}}", false, true},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct compiled c = compile(cases[i].schema);
                assert_int_equal(pgw_schema_is_integer(c.schema), cases[i].integer);
                assert_int_equal(pgw_schema_is_boolean(c.schema), cases[i].boolean);
                release(&c);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(knows_types_and_null),
            cmocka_unit_test(knows_bounds_of_numbers),
            cmocka_unit_test(compares_large_whole_numbers_exactly),
            cmocka_unit_test(knows_multiples),
            cmocka_unit_test(knows_multiples_of_large_whole_numbers),
            cmocka_unit_test(knows_formats),
            cmocka_unit_test(counts_characters_by_code_points),
            cmocka_unit_test(knows_patterns),
            cmocka_unit_test(knows_items),
            cmocka_unit_test(knows_repetitions),
            cmocka_unit_test(finds_repetitions_among_values_of_one_hash),
            cmocka_unit_test(knows_members),
            cmocka_unit_test(knows_enumerations),
            cmocka_unit_test(knows_combinations),
            cmocka_unit_test(follows_references),
            cmocka_unit_test(refuses_keywords_that_it_does_not_enforce),
            cmocka_unit_test(refuses_keywords_of_the_wrong_kind),
            cmocka_unit_test(refuses_references_that_lead_nowhere),
            cmocka_unit_test(refuses_again_what_it_refused),
            cmocka_unit_test(bounds_the_depth_of_a_cycle),
            cmocka_unit_test(tells_every_violation),
            cmocka_unit_test(tells_each_kind_in_its_words),
            cmocka_unit_test(names_a_bound_in_full),
            cmocka_unit_test(points_with_escapes),
            cmocka_unit_test(cuts_long_names_between_escapes),
            cmocka_unit_test(cuts_long_ways),
            cmocka_unit_test(tells_no_more_than_the_bound),
            cmocka_unit_test(takes_violations_from_elsewhere),
            cmocka_unit_test(says_how_a_value_is_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
