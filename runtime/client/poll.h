/* SPDX-License-Identifier: MIT
 *
 * HTTP long-polling, as a transport of a line (Engine.IO 4): at most one GET and one POST are out.
 * Packets that come are messages of the line as if each were a text frame; what is sent leaves in
 * the next POST. Ends through line_closed, as a WebSocket does.
 */
#ifndef LN_POLL_H
#define LN_POLL_H

#include "client/line.h"

struct poll;
struct poll *poll_open(struct line *ln);
void poll_send(struct poll *p, bool binary, const struct ln_str *pieces, size_t count);
size_t poll_queued(const struct poll *p); /* bytes that no POST's answer has confirmed */
bool poll_is_posting(const struct poll *p);
/* Sends what waits and the engine's close packet, as soon as the session is known. */
void poll_close(struct poll *p);
void poll_abort(struct poll *p); /* line_closed at the end of the turn */

/* For the upgrade. */
struct ln_str poll_sid(const struct poll *p); /* of the engine; a secret */
/* No new request is made; upgrade_pause_over() when none is out any more, perhaps at once. */
void poll_pause(struct poll *p);
void poll_resume(struct poll *p);
/* What waits goes to the WebSocket instead; this transport is over, without a word. */
void poll_hand_over(struct poll *p, struct ws *w);

#endif
