// SPDX-License-Identifier: MIT
// Sets a look that was chosen by hand before anything is painted, hence not a module. Without a
// choice the page follows the system (page.css: color-scheme).
"use strict";
try {
  const choice = localStorage.getItem("linnet.theme");
  if (choice === "dark" || choice === "light") document.documentElement.dataset.theme = choice;
} catch {
  // storage is blocked: the system's look it is
}
