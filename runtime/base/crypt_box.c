/* SPDX-License-Identifier: MIT
 *
 * secretbox: the only file that knows libsodium. libcrypto has no XSalsa20.
 */
#include "base/crypt_box.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(LN_BOX_KEY == crypto_secretbox_KEYBYTES, "key");
_Static_assert(LN_BOX_NONCE == crypto_secretbox_NONCEBYTES, "nonce");
_Static_assert(LN_BOX_OVERHEAD == crypto_secretbox_MACBYTES, "overhead");

/* Chooses the code for this CPU; without it there would still be the portable one. */
static void need_sodium(void) {
    static bool is_ready;
    if (is_ready) return;
    if (sodium_init() < 0) {
        fprintf(stderr, "libsodium does not start\n");
        abort();
    }
    is_ready = true;
}

static const unsigned char *bytes(struct ln_str s) {
    return (const unsigned char *)(s.n ? s.p : "");
}

void ln_box_seal(const unsigned char key[LN_BOX_KEY], const unsigned char nonce[LN_BOX_NONCE],
                 struct ln_str plain, struct ln_buf *out) {
    need_sodium();
    unsigned char *to = (unsigned char *)ln_buf_room(out, plain.n + LN_BOX_OVERHEAD);
    crypto_secretbox_easy(to, bytes(plain), plain.n, nonce, key);
    out->n += plain.n + LN_BOX_OVERHEAD;
}

bool ln_box_open(const unsigned char key[LN_BOX_KEY], const unsigned char nonce[LN_BOX_NONCE],
                 struct ln_str sealed, struct ln_buf *out) {
    need_sodium();
    if (sealed.n < LN_BOX_OVERHEAD) return false;
    size_t n = sealed.n - LN_BOX_OVERHEAD;
    unsigned char *to = (unsigned char *)ln_buf_room(out, n);
    if (crypto_secretbox_open_easy(to, bytes(sealed), sealed.n, nonce, key) != 0) return false;
    out->n += n;
    return true;
}

void ln_wipe(void *p, size_t n) {
    sodium_memzero(p, n);
}
