// Buttons that take the text of another element along.
import { toast } from "ck/toast";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  const source = button && document.getElementById(button.dataset.copies);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
    toast({ text: button.dataset.copied, level: "good" });
  } catch {
    // Without the permission the text is marked, to be copied by hand.
    getSelection().selectAllChildren(source);
  }
});
