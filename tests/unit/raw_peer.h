/* SPDX-License-Identifier: MIT
 *
 * What the tests of raw WebSocket share: the server of sio_peer.h without Socket.IO on top.
 */
#ifndef LN_RAW_PEER_H
#define LN_RAW_PEER_H

#include "sio_peer.h"

static void begin_raw(void) {
    begin();
    w.open = NULL;
    w.joins = false;
    w.pongs = true;
}
static struct conn_opts raw(const char *url) {
    struct conn_opts o = options(url);
    o.protocol = ln_strdup("ws");
    return o;
}
static struct conn *connected_raw(void) {
    return connected_with("feed", raw("ws://feed.example/v1"));
}

#endif
