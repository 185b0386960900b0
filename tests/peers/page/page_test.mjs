// SPDX-License-Identifier: MIT
// The page in a real browser. page_test.mjs LINNET [WORD]: all cases, or those whose name has WORD.
import { main } from "../lib.mjs";
import "./look_cases.mjs";
import "./chat_cases.mjs";
import "./scroll_cases.mjs";
import "./line_cases.mjs";
import "./events_cases.mjs";

await main();
