// The side panel: links with data-panel open there and stay in the address as ?panel=…, so that
// back, reload and sharing work. Without script they are ordinary links to ordinary pages.
const panel = document.getElementById("panel");
const body = panel?.querySelector("#panel-body");
const title = panel?.querySelector("#panel-title");
const narrow = window.matchMedia("(max-width: 719.98px)");
const SKELETON_AFTER_MS = 300;
let opener = null;

function address(href) {
  const url = new URL(window.location.href);
  if (href) url.searchParams.set("panel", href);
  else url.searchParams.delete("panel");
  return url;
}

function isOurs(href) {
  return href.startsWith("/") && new URL(href, window.location.href).origin === location.origin;
}

// The real shape of what comes is a list of people.
function showSkeleton() {
  const words = document.createElement("p");
  words.className = "visually-hidden";
  words.textContent = body.dataset.loading;
  const lines = Array.from({ length: 6 }, () => {
    const line = document.createElement("span");
    line.className = "skeleton";
    return line;
  });
  body.replaceChildren(words, ...lines);
}

async function show(href) {
  if (!panel.open) {
    if (narrow.matches) panel.showModal();
    else panel.show();
  }
  body.setAttribute("aria-busy", "true");
  const slow = setTimeout(showSkeleton, SKELETON_AFTER_MS);
  await window.htmx.ajax("GET", href, { source: body, target: body, swap: "innerHTML" });
  clearTimeout(slow);
  body.removeAttribute("aria-busy");
  title.textContent = body.querySelector("[data-panel-title]")?.dataset.panelTitle || title.textContent;
  title.focus();
}

function follow() {
  const href = new URL(window.location.href).searchParams.get("panel");
  if (href && isOurs(href)) show(href);
  else if (panel.open) panel.close();
}

if (panel) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-panel]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const href = link.pathname + link.search;
    if (!panel.contains(link)) opener = link;
    history.pushState({ panel: href }, "", address(href));
    show(href);
  });

  panel.addEventListener("close", () => {
    body.replaceChildren();
    if (new URL(window.location.href).searchParams.has("panel")) {
      history.pushState({}, "", address(null));
    }
    (opener?.isConnected ? opener : document.getElementById("main"))?.focus();
  });

  // A panel beside the page is no modal dialog, so Escape is ours to hear.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && panel.open && !narrow.matches) {
      panel.close();
    }
  });

  body.addEventListener("htmx:responseError", () => {
    body.textContent = body.dataset.failed;
  });
  window.addEventListener("popstate", follow);
  window.addEventListener("load", follow, { once: true });
}
