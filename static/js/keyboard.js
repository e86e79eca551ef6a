// Single keys, off in fields, in open dialogs and for accounts that switched them off.
import { openPalette } from "ck/palette";

const GO_WITHIN_MS = 1500;
const FIELDS = "input, textarea, select, [contenteditable]";
let goUntil = 0;

const inField = (target) => target instanceof Element && target.closest(FIELDS);
const modalOpen = () => document.querySelector("dialog:modal");

function goTo(key) {
  const entry = document.querySelector(`#palette [data-key="${CSS.escape(key)}"]`);
  if (!entry) return false;
  window.location.assign(entry.dataset.href);
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.body.dataset.singleKeys === "off" || inField(event.target) || modalOpen()) return;
  if (performance.now() < goUntil) {
    goUntil = 0;
    if (goTo(event.key)) event.preventDefault();
    return;
  }
  if (event.key === "g") goUntil = performance.now() + GO_WITHIN_MS;
  else if (event.key === "?") document.getElementById("keys")?.showModal();
  else if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
});
