// Tells how long an article was in view and how far it was read. Always the whole so far, never a
// part: what is lost, told twice or out of order changes nothing.
const { view, toldTo } = document.body.dataset;
const article = document.querySelector(".article");
const LONGEST_MS = 30 * 60 * 1000;
const TELLS_EVERY_MS = 15 * 1000;
let seen = 0;
let since = document.visibilityState === "visible" ? performance.now() : null;
let depth = 0;
let told = "";

function total() {
  const running = since === null ? 0 : performance.now() - since;
  return Math.min(Math.round(seen + running), LONGEST_MS);
}

function look() {
  const box = article.getBoundingClientRect();
  const part = box.height ? (window.innerHeight - box.top) / box.height : 1;
  // A pixel may be lost to rounding where the page ends.
  const percent = part >= 0.995 ? 100 : Math.floor(part * 100);
  depth = Math.max(depth, Math.min(Math.max(percent, 0), 100));
}

function tell() {
  // Whoever scrolls and leaves at once has seen what no event told of.
  look();
  const body = JSON.stringify({ view, ms: total(), depth });
  if (body === told) return;
  told = body;
  navigator.sendBeacon(toldTo, body);
}

function pause() {
  if (since !== null) seen += performance.now() - since;
  since = null;
}

if (view && article && navigator.sendBeacon) {
  look();
  document.addEventListener("scroll", look, { passive: true });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      since ??= performance.now();
    } else {
      pause();
      tell();
    }
  });
  window.addEventListener("pagehide", () => {
    pause();
    tell();
  });
  window.addEventListener("pageshow", () => {
    if (document.visibilityState === "visible") since ??= performance.now();
  });
  setInterval(() => {
    if (since !== null && total() < LONGEST_MS) tell();
  }, TELLS_EVERY_MS);
}
