/* SPDX-License-Identifier: MIT
 *
 * NaCl's secretbox (XSalsa20 with Poly1305, by libsodium): one key seals and opens. Pusher's
 * encrypted channels use it.
 */
#ifndef LN_CRYPT_BOX_H
#define LN_CRYPT_BOX_H

#include "base/buf.h"

#define LN_BOX_KEY 32
#define LN_BOX_NONCE 24
#define LN_BOX_OVERHEAD 16 /* sealed bytes are so many more */

/* Adds the sealed bytes to out. A nonce must never serve twice with one key. */
void ln_box_seal(const unsigned char key[LN_BOX_KEY], const unsigned char nonce[LN_BOX_NONCE],
                 struct ln_str plain, struct ln_buf *out);
/* Adds what was sealed to out; false, and out as it was, when it was not sealed by this key and
 * nonce, was changed on its way, or is shorter than LN_BOX_OVERHEAD. */
bool ln_box_open(const unsigned char key[LN_BOX_KEY], const unsigned char nonce[LN_BOX_NONCE],
                 struct ln_str sealed, struct ln_buf *out);
/* Overwrites a key so that the compiler does not leave it out. */
void ln_wipe(void *p, size_t n);

#endif
