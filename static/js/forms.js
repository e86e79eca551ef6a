// Small help for forms: live search, submit on change, guard of unsaved input, one submit at a time.
const SEARCH_AFTER_MS = 300;
const timers = new WeakMap();

// <form data-live-search>: the form submits itself a moment after the last character. With hx-get on
// the form only the answer is swapped; composing input never gets here (ime.js).
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live-search]");
  if (!form || !form.hasAttribute("hx-get")) return;
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => form.requestSubmit(), SEARCH_AFTER_MS));
});

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
