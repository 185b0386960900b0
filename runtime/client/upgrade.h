/* SPDX-License-Identifier: MIT
 *
 * From polling to WebSocket (Engine.IO 4): a second transport is opened beside the first, probed,
 * and takes over when no request is out. If any of it fails the line stays on polling.
 */
#ifndef LN_UPGRADE_H
#define LN_UPGRADE_H

#include "client/line.h"

void upgrade_begin(struct line *ln); /* ln->upgrade */
/* Polling is quiet: the WebSocket takes over. */
void upgrade_pause_over(struct upgrade *u);
/* The line wants to end: as soon as it is decided which transport is to be closed. */
void upgrade_close(struct upgrade *u);
/* The line has failed: the probe is no use any more. */
void upgrade_abort(struct upgrade *u);

#endif
