/* SPDX-License-Identifier: MIT
 *
 * Where bytes stand in plain JSON, and what only looks like a place for them.
 */
#include "test.h"
#include "wire/plain.h"

#define FIRST "{\"_placeholder\":true,\"num\":0}"
#define BYTES "{\"_binary\":\"AP8=\"}"

TEST(bytes_in_text) {
    static const struct {
        const char *args, *want;
    } table[] = {
        {"", ""},
        {FIRST, BYTES},
        {"1, " FIRST ",{\"_placeholder\":true,\"num\":1}", "1," BYTES ",{\"_binary\":\"\"}"},
        {"[{\"a\\\"\":[" FIRST "," FIRST "],\"b\":\"{\"}, [] ]",
         "[{\"a\\\"\":[" BYTES "," BYTES "],\"b\":\"{\"},[]]"},
        {"{\"num\" : 0, \"_placeholder\" : true}", BYTES},
        {"{\"_placeholder\":true,\"num\":2}", "{\"_placeholder\":true,\"num\":2}"}, /* none such */
        {"{\"_placeholder\":true,\"num\":-1}", "{\"_placeholder\":true,\"num\":-1}"},
        {"{\"_placeholder\":\"true\",\"num\":0}", "{\"_placeholder\":\"true\",\"num\":0}"},
        {"{\"num\":0}", "{\"num\":0}"},
    };
    struct ln_str bin[] = {{"\0\xff", 2}, {"", 0}};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        struct ln_buf out = {0};
        plain_write_binary(&out, ln_str(table[i].args), bin, 2);
        CHECK_STR(ln_buf_get(&out), table[i].want);
        ln_buf_free(&out);
    }
}

TEST_MAIN(T(bytes_in_text))
