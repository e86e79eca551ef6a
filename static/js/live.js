// The one live region: what changed without a page load is said here.
const region = document.getElementById("live");

export function announce(text) {
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

document.body.addEventListener("announce", (event) => announce(event.detail.value ?? ""));
