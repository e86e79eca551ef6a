// While an input method composes, keys and text belong to it: typing "wang" on the way to 王 must
// not search for wang, and the Enter that picks a candidate must not submit. Captured at the window,
// so that no other listener has to remember.
const composing = (event) => event.isComposing || event.keyCode === 229;

for (const kind of ["keydown", "keyup", "keypress", "input"]) {
  window.addEventListener(
    kind,
    (event) => {
      if (!composing(event)) return;
      event.stopImmediatePropagation();
      if (event.key === "Enter") event.preventDefault();
    },
    true,
  );
}

// Browsers send the last input event before compositionend; listeners get it now.
window.addEventListener("compositionend", (event) => {
  event.target.dispatchEvent(new InputEvent("input", { bubbles: true }));
});
