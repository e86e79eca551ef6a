import { announce } from "ck/live";

// Small help for forms: live search, submit on change, guard of unsaved input, one submit at a time.
const SEARCH_AFTER_MS = 300;
const timers = new WeakMap();
let newest = 0;

// <form data-live-search>: a moment after the last character the same page is asked for with the new
// words, and the parts marked data-results="…" are taken from the answer; the field itself stays, so
// the focus does too. Composing input never gets here (ime.js). Enter submits as without script.
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live-search]");
  if (!form) return;
  clearTimeout(timers.get(form));
  timers.set(
    form,
    setTimeout(() => search(form), SEARCH_AFTER_MS),
  );
});

async function search(form) {
  const turn = ++newest;
  const url = new URL(form.action, window.location.href);
  url.search = new URLSearchParams(new FormData(form)).toString();
  const response = await fetch(url);
  if (!response.ok || turn !== newest) return;
  const answer = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-results]")) {
    const fresh = answer.querySelector(`[data-results="${old.dataset.results}"]`);
    if (!fresh) continue;
    old.replaceWith(fresh);
    window.htmx.process(fresh);
    // What other modules do after a swap by htmx they owe to this one as well.
    window.htmx.trigger(fresh, "htmx:afterSwap", {});
  }
  history.replaceState(history.state, "", url);
  announce(document.querySelector('[data-results="count"]')?.textContent ?? "");
}

document.addEventListener("change", (event) => {
  event.target.closest("[data-autosubmit]")?.form?.requestSubmit();
});

// <form data-guard>: leaving with unsaved input asks first.
const dirty = new Set();
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-guard]");
  if (form) dirty.add(form);
});
document.addEventListener("submit", (event) => dirty.delete(event.target));
window.addEventListener("beforeunload", (event) => {
  if ([...dirty].some((form) => form.isConnected)) event.preventDefault();
});

// A double click must not send a form twice. The name of the pressed button still travels, because
// the browser has collected the fields before this runs.
document.addEventListener("submit", (event) => {
  const { target: form } = event;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
  setTimeout(() => {
    for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = true;
  });
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of document.querySelectorAll("form button:disabled")) button.disabled = false;
});

// <select data-decides>: parts of its form marked data-when="a b" are shown while it has one of these
// values. A part in which something stands or is wrong is never put out of sight.
const TYPED = "input:not([type=hidden]):not([type=checkbox]), select, textarea";

function decide(select) {
  for (const part of select.form.querySelectorAll("[data-when]")) {
    const isMeant = part.dataset.when.split(" ").includes(select.value);
    const isFilled = [...part.querySelectorAll(TYPED)].some((field) => field.value);
    part.hidden = !isMeant && !isFilled && !part.querySelector("[aria-invalid=true]");
  }
}

for (const select of document.querySelectorAll("select[data-decides]")) decide(select);
document.addEventListener("change", (event) => {
  const select = event.target.closest("select[data-decides]");
  if (select) decide(select);
});

document.querySelector("[data-error-summary]")?.focus();

const offline = document.querySelector("[data-offline]");
const showConnection = () => {
  if (offline) offline.hidden = navigator.onLine;
};
window.addEventListener("online", showConnection);
window.addEventListener("offline", showConnection);
showConnection();

// What is being fetched says so to assistive technology.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  event.detail.target?.setAttribute("aria-busy", "true");
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  event.detail.target?.removeAttribute("aria-busy");
});
