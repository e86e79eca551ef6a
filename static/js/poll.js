// data-poll="url" data-every="3": refreshes the element's content while the page is visible.
// Status 286 ends it, a failure marks the old content stale and waits longer. data-now asks at once.
// The header tells the server that no person is behind the request, so a session can still expire.
const STOP = 286;
const SLOWEST_S = 60;

function watch(element) {
  if (element.dataset.polling) return;
  element.dataset.polling = "on";
  const every = Number(element.dataset.every) || 15;
  let wait = every;
  let timer;
  let busy = false;

  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, wait * 1000);
  };

  const stop = () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wake);
    element.dataset.polling = "over";
  };

  async function ask() {
    if (!element.isConnected) return stop();
    if (document.hidden || busy) return undefined;
    // Someone is reading or typing in there: do not pull the rug.
    if (element.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) {
      return again();
    }
    busy = true;
    await window.htmx.ajax("GET", element.dataset.poll, {
      source: element,
      target: element,
      swap: "innerHTML",
      headers: { "X-Changke-Poll": "1" },
    });
    busy = false;
    // An empty answer is a blank line from a template; without it CSS can tell that nothing is there.
    if (!element.firstElementChild && !element.textContent.trim()) element.replaceChildren();
    return element.dataset.polling === "over" ? undefined : again();
  }

  function wake() {
    if (!document.hidden && element.dataset.polling !== "over") ask();
  }

  element.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== element || !event.detail.requestConfig.headers["X-Changke-Poll"]) return;
    const { status } = event.detail.xhr;
    element.dataset.stale = String(!event.detail.successful);
    wait = event.detail.successful ? every : Math.min(wait * 2, SLOWEST_S);
    if (status === STOP) stop();
  });
  document.addEventListener("visibilitychange", wake);
  if ("now" in element.dataset) ask();
  else again();
}

function watchAll() {
  for (const element of document.querySelectorAll("[data-poll]")) watch(element);
}

window.addEventListener("load", watchAll, { once: true });
document.body.addEventListener("htmx:afterSwap", watchAll);
